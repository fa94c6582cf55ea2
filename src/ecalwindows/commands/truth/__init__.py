"""The commands `ecalwindows truth ...`."""
