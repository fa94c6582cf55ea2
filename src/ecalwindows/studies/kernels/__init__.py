"""Compiled loops of the studies."""
