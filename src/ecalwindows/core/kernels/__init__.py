"""Compiled loops that all rooms share."""
