"""The command line: one file per command; each parses and makes one call of the library."""
