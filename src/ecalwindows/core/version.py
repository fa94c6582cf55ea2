"""Version and revision of the code, as baked in when it was built."""

try:
    from ecalwindows._version import revision, version
except ImportError:  # a source tree that was never built
    version, revision = "0+unknown", "unknown"

__all__ = ["revision", "version"]
