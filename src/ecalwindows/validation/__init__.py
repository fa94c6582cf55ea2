"""what must be true of windows, how two datasets differ, how distributions drift"""
