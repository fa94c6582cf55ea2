"""NDJSON files of tests."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import zstandard

from helpers.golden_files import GOLDEN

EDGE = GOLDEN / "edge.A.ndjson.gz"
LINES = gzip.decompress(EDGE.read_bytes()).splitlines(keepends=True)
TEXT = b"".join(LINES)


def file_of(folder: Path, text: bytes, name: str = "w.ndjson") -> Path:
    """A file with a text, packed as its name says."""
    path = folder / name
    if ".tar" in name or name.endswith(".tgz"):
        path.write_bytes(packed(archive([("clusters_data_0.ndjson", text)]), name))
    else:
        path.write_bytes(packed(text, name))
    return path


def packed(content: bytes, name: str) -> bytes:
    if name.endswith((".gz", ".tgz")):
        return gzip.compress(content)
    return zstandard.compress(content) if name.endswith(".zst") else content


def archive(members: list[tuple[str, bytes]], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive of regular files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()
