"""The report of a dataset: one HTML file with its record, linked distributions and single windows."""
