"""what all rooms share: schema, settings, errors, events, batch, geometry, working points, outputs, jit"""
