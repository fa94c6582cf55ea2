"""Weights that make electrons and photons alike."""
