"""Compiled loops over flat arrays: no physics words, no errors, no settings. Each has a slow twin in tests/reference."""
