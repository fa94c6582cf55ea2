"""Studies of the truth: they make tables from columns; figures are drawn from the tables by `plots`."""
