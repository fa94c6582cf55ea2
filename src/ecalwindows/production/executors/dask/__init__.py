"""Jobs on dask workers."""
