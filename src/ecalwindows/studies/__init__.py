"""Studies of the truth: from columns to tables, never to figures."""
