"""The table of matched clusters."""
