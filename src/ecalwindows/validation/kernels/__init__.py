"""Compiled loops of validation."""
