"""Make the packaged sample of `ecalwindows demo` again, and update what README and docs show of it.

    make sample

As many simulated events as fit 1.9 MB; then the table in README.md, docs/window.png, the losses in docs/training.md and
the number of events in docs/simulation.md.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from pathlib import Path

from click.testing import CliRunner

from ecalwindows.cli.main import cli
from ecalwindows.commands.demo import SAMPLE, SAMPLE_OPTIONS, run_demo

ROOT = Path(__file__).parent.parent
MAX_SIZE = 1_900_000
FIRST_GUESS = 60


def simulated(path: Path, events: int) -> int:
    """Simulate this number of events; returns the size of the file [bytes]."""
    result = CliRunner().invoke(cli, ["simulate", "-o", str(path), "-n", str(events), "-q", *SAMPLE_OPTIONS])
    if result.exit_code:
        raise SystemExit(result.output)
    return path.stat().st_size


def as_many_as_fit(path: Path) -> int:
    """Write the sample; returns its number of events."""
    events = int(FIRST_GUESS * MAX_SIZE / simulated(path, FIRST_GUESS))
    while simulated(path, events + 1) <= MAX_SIZE:
        events += 1
    while simulated(path, events) > MAX_SIZE:
        events -= 1
    return events


def replaced(page: Path, pattern: str, text: str) -> None:
    """Replace the text between the two groups of the pattern."""
    old = page.read_text(encoding="utf-8")
    new, n = re.subn(pattern, lambda found: found[1] + text + found[2], old, count=1, flags=re.DOTALL)
    if n != 1:
        raise SystemExit(f"{page}: the pattern {pattern} was not found")
    page.write_text(new, encoding="utf-8")


def shown(folder: Path, n_events: int) -> None:
    """Update README and docs with a demo of the new sample."""
    lines: list[str] = []
    run_demo(folder / "first-look", lines.append)
    table = "\n".join(lines[1 : lines.index("")])
    replaced(ROOT / "README.md", r"(runs the chain on a packaged sample:\n\n```\n).*?(\n```)", table)
    replaced(ROOT / "docs" / "simulation.md", r"(`ecalwindows simulate -n )\d+( )", str(n_events))
    shutil.copyfile(folder / "first-look" / "window.png", ROOT / "docs" / "window.png")
    page = ROOT / "docs" / "training.md"
    script = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert script
    os.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(script[1], {})
    printed = out.getvalue().splitlines()
    replaced(page, r"(```text\n).*?(\n```)", "\n".join([*printed[:2], "...", printed[-1]]))


if __name__ == "__main__":
    sample = ROOT / "src" / "ecalwindows" / "data" / "samples" / SAMPLE
    n_events = as_many_as_fit(sample)
    with tempfile.TemporaryDirectory() as folder:
        shown(Path(folder), n_events)
    print(f"{sample.relative_to(ROOT)}: {n_events} events, {sample.stat().st_size:,} bytes")
