"""Figures from arrays and tables. Only this package uses matplotlib; figures are saved only if a path is given."""
