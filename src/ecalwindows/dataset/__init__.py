"""many files are one dataset: layout, record, splits, finalizing, reading"""
