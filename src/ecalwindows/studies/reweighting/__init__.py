"""Weights that give electrons and photons the same distributions."""
