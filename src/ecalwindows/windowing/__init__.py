"""windows are made of events: `Events` in, `WindowBatch` out; arithmetic on arrays, no files"""
