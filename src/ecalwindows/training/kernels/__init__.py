"""Compiled loops of the training stream."""
