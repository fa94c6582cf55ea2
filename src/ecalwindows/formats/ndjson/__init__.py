"""Lines of JSON, one per window."""
