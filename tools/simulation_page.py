"""Update the tables and the picture of docs/simulation.md; this takes some minutes.

make simulation-page
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from ecalwindows.commands.validate_simulation import write_validation
from ecalwindows.simulation import SimulationSettings

DOCS = Path(__file__).parent.parent / "docs"
EVENTS = 3000

if __name__ == "__main__":
    page = DOCS / "simulation.md"
    with tempfile.TemporaryDirectory() as folder:
        for line in write_validation(folder, SimulationSettings(events=EVENTS)):
            print(line, file=sys.stderr)
        tables = (Path(folder) / "validation.md").read_text(encoding="utf-8").partition("\n\n")[2]
        shutil.copyfile(Path(folder) / "phi_spread.png", DOCS / "phi_spread.png")
    text, n = re.subn(
        r"(?<=The tables, with `-n 3000`:\n\n).*?(?=\n!\[clusters)",
        lambda _: re.sub(r"^##? ", "### ", tables, flags=re.MULTILINE),
        page.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if n != 1:
        raise SystemExit(f"{page}: the place for the tables was not found")
    page.write_text(text, encoding="utf-8")
