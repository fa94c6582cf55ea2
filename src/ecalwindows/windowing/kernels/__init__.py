"""Compiled loops of the windowing, one module per stage."""
