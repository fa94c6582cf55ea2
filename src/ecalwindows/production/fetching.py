"""Data files on servers: copied to a local folder with what tells of them, their manifests and records."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from ecalwindows.core.urls import server_of
from ecalwindows.formats.readers import manifest_places
from ecalwindows.formats.suffixes import RECORD
from ecalwindows.production.xrootd import FarFolder


def fetched(url: str, folder: Path) -> Path:
    """Copy a data file to the same place below a folder as on its server; what tells of it stands around it as there.

    Raises BadFileError for a file that cannot be had whole, ServerError for a server that does not answer.
    """
    server = FarFolder(f"{server_of(url)}/")
    name = PurePosixPath(urlsplit(url).path.strip("/"))
    server.get(str(name), folder / name)
    records = [folder / base / RECORD for base in name.parents[:4]]
    for place in (*manifest_places(folder / name), *records):
        if folder in place.parents and server.bytes_of(beside := place.relative_to(folder).as_posix()) is not None:
            server.get(beside, place)
    return folder / name
