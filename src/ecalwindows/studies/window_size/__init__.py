"""How large windows must be."""
