"""How files get their names, together or not at all, and how they are known again."""
