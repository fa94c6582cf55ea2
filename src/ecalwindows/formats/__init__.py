"""one file in, one file out: NDJSON, Parquet, TFRecord, with manifests and weights"""
