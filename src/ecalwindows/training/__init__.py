"""a dataset is opened for a training: batches of arrays of one shape"""
