"""many files on many machines become one dataset"""
