"""Parts become a dataset with its record."""
