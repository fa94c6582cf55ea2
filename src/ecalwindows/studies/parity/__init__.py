"""Differences between the inputs that a model was trained on and those that CMS's reconstruction feeds it."""
