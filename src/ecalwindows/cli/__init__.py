"""The command line: one file a command; each parses, makes one call of the library, and turns errors into exit codes."""
