"""Reference implementations: plain Python, written only from the definitions, with which the kernels are compared.

They are slow. The physics in them imports nothing from `ecalwindows`.
"""
