"""The command line: one file a command; each parses and makes one call of the library."""
