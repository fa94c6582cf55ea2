"""Compiled loops over flat arrays: no physics words, no errors, no settings. Slow twins: tests/reference."""
