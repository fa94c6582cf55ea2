"""Time and memory of a production of N tiny parts: of its plan, its end, and of opening and checking its dataset.

One part is made by a real job; the others are that part with other event numbers, with manifests and states as jobs
write them. Each step is a process of its own. The exponents show whether a step is linear: seconds ~ parts^exponent.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

FEW = {"seed_features": ["et_seed"], "window_metadata": ["window_index", "run_id", "lumi_id", "event_id", "seed_index"]}
"""Columns of a tiny part: without hits and clusters it is written in less than a millisecond."""

LINKS = 10_000
"""Names of one file: file systems allow a limited number."""


def make(folder: Path) -> None:
    """A production of N inputs (names of one file) in a folder COLUMNS-N; every job is done, but for the dataset."""
    columns, _, number = folder.name.partition("-")
    n = int(number)
    from helpers.production_maker import write_input, write_yaml

    from ecalwindows.production.driver import settled_plan
    from ecalwindows.production.job import run_task
    from ecalwindows.production.settings import read_production
    from ecalwindows.production.work_folder import Place, make_folders

    first = write_input(folder / "dumps" / "dump_000000.root", 0, n_events=1)
    for number in range(1, n):
        path = folder / "dumps" / f"dump_{number:06d}.root"
        if number % LINKS == 0:
            first = Path(shutil.copy(first, path))
        else:
            os.link(first, path)
    (folder / "features.json").write_text(json.dumps({"features_dict": FEW, "hits_indices": [4]}))
    definition = {} if columns == "default" else {"features_def": str(folder / "features.json")}
    production = read_production(write_yaml(folder / "scale.yaml", splits={}, **definition))
    place = Place(production.work)
    make_folders(place)
    plan = settled_plan(place, production, "run", False, print)
    state = run_task(place, plan, 0, executor="local")
    _copy_parts(place, plan, state)


def _copy_parts(place: Any, plan: Any, state: Any) -> None:
    """Parts, manifests and states of all jobs like those of the first, with events of their own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ecalwindows.formats.manifest import file_record, read_manifest
    from ecalwindows.formats.parquet.writer import TableWriter

    base, one = place.parts("parquet"), plan.jobs[0]
    table = pq.read_table(base / f"{one.part}.parquet").slice(0, 1)
    rest = {name: text.decode() for name, text in ((k.decode(), v) for k, v in table.schema.metadata.items())}
    manifest = read_manifest(place.manifest("parquet", one.part))
    counts = {name: min(count, 1) for name, count in manifest.counts.items()} | {"unmatched_dropped": 0}
    kept = table["window_metadata"].combine_chunks()
    matched, n_clusters = manifest.counts["matched"] > 0, len(table["cl_h"][0])
    counts |= dict.fromkeys(("unmatched_gen_outside", "in_another_window", "without_position"), 0)
    counts |= dict.fromkeys(("candidates", "windows_made", "windows_kept"), 1)
    counts |= {"clusters_in_windows": n_clusters, "matched": int(matched), "unmatched_low_score": int(not matched)}
    place_of = table.schema.get_field_index("window_metadata")
    fields = list(kept.type)
    for number, job in enumerate(plan.jobs):
        values = [kept.field(n) for n in range(len(fields))]
        words = kept.field("window_index")[0].as_py().rsplit("_", 2)
        for n, field in enumerate(fields):
            if field.name == "event_id":
                values[n] = pa.array([number + 1], field.type)
            if field.name == "window_index":
                values[n] = pa.array([f"{words[0]}_{number + 1}_{words[2]}"], field.type)
        column = pa.StructArray.from_arrays(values, fields=fields)
        path = base / f"{job.part}.parquet"
        with TableWriter(path, metadata=rest) as writer:
            writer.put(table.set_column(place_of, table.schema.field(place_of), column))
        inputs = [manifest.inputs[0].model_copy(update={"name": Path(job.inputs[0].path).name})]
        changes = {"files": [file_record(path, base)], "rows": 1, "inputs": inputs, "counts": counts}
        file = place.manifest("parquet", job.part)
        file.write_text(manifest.model_copy(update=changes).text(), encoding="utf-8")
        sums = {"parquet": file_record(file, file.parent).sha256}
        now = state.model_copy(update={"part": job.part, "digest": job.digest, "manifests": sums, "windows": 1})
        place.state(job.part).write_text(now.model_dump_json(indent=1) + "\n")


def _production(folder: Path) -> Any:
    from ecalwindows.production.settings import read_production

    return read_production(folder / "scale.yaml")


def _place(folder: Path) -> Any:
    from ecalwindows.production.work_folder import Place

    return Place(_production(folder).work)


def plan(folder: Path) -> None:
    """What `production plan` does: inputs are listed, and become jobs."""
    from ecalwindows.production.listing import listed_inputs
    from ecalwindows.production.plan import made_plan
    from ecalwindows.production.work_folder import write_plan

    production = _production(folder)
    write_plan(made_plan(production, listed_inputs(production)), folder / "plan.json")


def status(folder: Path) -> None:
    """What `production status` does."""
    from ecalwindows.production.status import status_of

    assert sum(status_of(_place(folder)).total.values()) > 0


def finish(folder: Path) -> None:
    """The end of a production: all parts are checked, and become a dataset."""
    from ecalwindows.production.driver import finish_production

    assert finish_production(_place(folder))


def resume(folder: Path) -> None:
    """`production resume` of a production that is finished: all is checked, nothing is made."""
    from ecalwindows.production.driver import run_production

    assert not run_production(_production(folder), mode="resume", workers=0).finalized


def opened(folder: Path) -> None:
    """`open_dataset` and its description."""
    import ecalwindows

    assert str(ecalwindows.open_dataset(folder / "dataset"))


def first_batch(folder: Path) -> None:
    """`open_dataset` and one padded batch of 512 windows."""
    import ecalwindows

    next(iter(ecalwindows.open_dataset(folder / "dataset").batches(512, pad_clusters=1, pad_hits=0)))


def length(folder: Path) -> None:
    """`open_dataset` and its number of windows by the footers of all files."""
    import ecalwindows

    assert len(ecalwindows.open_dataset(folder / "dataset"))


def validate(folder: Path) -> None:
    """What `validate` does."""
    from ecalwindows.commands.validate import validate_dataset

    assert not validate_dataset(folder / "dataset").failed


def digest(folder: Path) -> None:
    """What `production digest` does."""
    from ecalwindows.production.digest import dataset_digest

    dataset_digest(folder / "dataset")


STEPS: dict[str, Callable[[Path], None]] = {
    "make": make,
    "plan": plan,
    "status": status,
    "finish": finish,
    "resume": resume,
    "open": opened,
    "first batch": first_batch,
    "len": length,
    "validate": validate,
    "digest": digest,
}


def measured(step: str, folder: Path) -> dict[str, float]:
    """Seconds of clock and processor, and peak memory [MB], of a step in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--step", step, str(folder)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{step} failed:\n{done.stdout}{done.stderr}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def one_step(step: str, folder: Path) -> None:
    """Do a step and print what it took."""
    wall = time.perf_counter()
    STEPS[step](folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    result = {"wall": time.perf_counter() - wall, "cpu": used.ru_utime + used.ru_stime}
    print(json.dumps(result | {"megabytes": used.ru_maxrss / 1e3}))


def exponent(rows: list[tuple[int, float]], start: float) -> str:
    """The exponent between the two largest numbers of parts, without what the smallest takes."""
    (few, less), (many, more) = rows[-2:]
    return f"{math.log((more - start) / (less - start)) / math.log(many / few):.2f}" if less > 1.1 * start else "-"


def size(folder: Path, pattern: str) -> float:
    """Megabytes of the files of a pattern."""
    return sum(path.stat().st_size for path in folder.glob(pattern)) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, nargs="+", default=[10, 1_000, 10_000])
    parser.add_argument("--columns", choices=("few", "default"), default="few")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS)[1:])
    parser.add_argument("--folder", type=Path, help="keep the productions there, and use them again")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        one_step(args.step[0], Path(args.step[1]))
        return
    results: dict[str, list[tuple[int, dict[str, float]]]] = {step: [] for step in args.steps}
    for n in sorted(args.parts):
        with tempfile.TemporaryDirectory() as temporary:
            folder = (args.folder or Path(temporary)) / f"{args.columns}-{n}"
            if not folder.exists():
                folder.mkdir(parents=True)
                measured("make", folder)
            for step in args.steps:
                if step == "finish" and (folder / "dataset").exists():
                    shutil.rmtree(folder / "dataset")
                results[step].append((n, found := measured(step, folder)))
                print(f"{n:>8,} {step:<12}", *(f"{value:9.2f} {name}" for name, value in found.items()), flush=True)
            work, data = folder / "dataset.production", folder / "dataset"
            sizes = {"plan.json": size(work, "plan.json"), "jobs": size(work, "jobs/*.json"),
                     "manifests": size(data, "manifests/*.json"), "dataset.json": size(data, "dataset.json"),
                     "_metadata": size(data, "parquet/_metadata"), "data": size(data, "parquet/*.parquet")}  # fmt: skip
            print(f"{n:>8,}", *(f"{name} {each:.2f} MB" for name, each in sizes.items()), flush=True)
    if len(args.parts) > 2:
        for step, rows in results.items():
            for what in ("cpu", "megabytes"):
                values = [(n, found[what]) for n, found in rows]
                print(f"{step:<12} {what:<10} exponent {exponent(values[1:], values[0][1])}")


if __name__ == "__main__":
    main()
