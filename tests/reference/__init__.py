"""The slow twins: the middle of the program in plain Python, written from the definitions only.

Nothing here is fast and nothing is imported from `ecalwindows`: the kernels are tested against it.
"""
