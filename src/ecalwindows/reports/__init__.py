"""Tables and texts of what a run did: made from results, printed by others."""
