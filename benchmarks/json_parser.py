"""Time of our NDJSON parser beside pyarrow.json with an explicit schema: json_parser.py [FILE.ndjson.gz ...]

The question: would the library be within 1.25 x of our speed in the conversion of NDJSON (gzip) to Parquet? Arrow's
time here is a lower bound of what it would cost: bare NaN is not replaced, missing fields are not found, and nothing is
copied from Arrow's columns into a batch. All on one thread, in one process, after a round that compiles the kernels.
"""

import contextlib
import gzip
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json
from timing import min_seconds

from ecalwindows.cli.main import main as command
from ecalwindows.core.schema import COLUMNS
from ecalwindows.formats.ndjson.reader import read_batches

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
DEFAULT = [GOLDEN / "electrons.E.ndjson.gz", GOLDEN / "photons.E.ndjson.gz"]
REPEATS, ROUNDS, BLOCK = 6, 5, 1 << 22


def arrow_type(name: str) -> Any:
    """The Arrow type of a column."""
    return pa.large_string() if COLUMNS[name].dtype == "str" else pa.type_for_alias(COLUMNS[name].dtype)


def schema_of(line: bytes) -> Any:
    """The schema of the fields that are columns, by the first line."""
    first = json.loads(line)
    clusters = [(name, arrow_type(name)) for name in first["clusters"][0] if name in COLUMNS]
    hits = ("cl_hits", pa.list_(pa.list_(pa.float32())))
    fields = [(name, arrow_type(name)) for name in first if name in COLUMNS]
    return pa.schema([*fields, ("clusters", pa.list_(pa.struct([*clusters, hits])))])


def parsed_by_arrow(text: bytes) -> None:
    """Parse block by block."""
    parse = pa.json.ParseOptions(
        explicit_schema=schema_of(text[: text.index(b"\n")]), unexpected_field_behavior="ignore"
    )
    first = 0
    while first < len(text):
        last = text.rfind(b"\n", first, first + BLOCK) + 1
        read = pa.json.ReadOptions(use_threads=False, block_size=last - first + 1)
        pa.json.read_json(pa.BufferReader(text[first:last]), read_options=read, parse_options=parse)
        first = last


def main() -> None:
    pa.set_cpu_count(1)
    files = [Path(name) for name in sys.argv[1:]] or DEFAULT
    text = b"".join(gzip.decompress(file.read_bytes()) for file in files) * REPEATS
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder, "windows.ndjson"), Path(folder, "windows.ndjson.gz")
        plain.write_bytes(text)
        packed.write_bytes(gzip.compress(text, 6))

        def convert() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                command(["convert", str(packed), "-o", str(Path(folder, "windows.parquet")), "-q"])

        convert()
        ours = min_seconds(lambda: sum(len(batch) for batch in read_batches(plain)), ROUNDS)
        arrow = min_seconds(lambda: parsed_by_arrow(text), ROUNDS)
        complete = min_seconds(convert, ROUNDS)
    replaced = complete - ours + arrow
    print(f"{len(text) / 1e6:.0f} MB of NDJSON")
    print(f"our parser           {ours:6.3f} s")
    print(f"pyarrow.json         {arrow:6.3f} s  {arrow / ours:.2f} x ours")
    print(f"conversion, ours     {complete:6.3f} s")
    print(f"with pyarrow.json    {replaced:6.3f} s  {replaced / complete:.2f} x ours (limit 1.25 x)")


if __name__ == "__main__":
    main()
