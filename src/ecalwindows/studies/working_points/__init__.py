"""Working points derived from matched clusters."""
