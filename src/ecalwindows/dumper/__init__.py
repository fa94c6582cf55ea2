"""ROOT files of the dumper are read: files in, `Events` out"""
