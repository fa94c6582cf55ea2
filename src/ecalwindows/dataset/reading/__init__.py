"""A dataset is opened and read."""
