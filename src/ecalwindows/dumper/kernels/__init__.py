"""Compiled loops of the dumper."""
