"""Print a constraints file that turns every `>=X` of the project's dependencies into `==X`.

usage: lowest_versions.py [EXTRA ...]      (of the extras given, too)
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(project: dict[str, object], lines: list[str]) -> Iterator[Requirement]:
    """The requirements of these lines that hold on this machine; the project's own extras are followed."""
    for requirement in map(Requirement, lines):
        if requirement.name == project["name"]:
            for extra in requirement.extras:
                yield from requirements(project, extra_lines(project, extra))
        elif requirement.marker is None or requirement.marker.evaluate():
            yield requirement


def extra_lines(project: dict[str, object], extra: str) -> list[str]:
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    if extra not in extras:
        sys.exit(f"pyproject.toml has no extra '{extra}', only: {', '.join(extras)}")
    lines: list[str] = extras[extra]
    return lines


def lowest(requirement: Requirement) -> str:
    bounds = [s.version for s in requirement.specifier if s.operator in (">=", "==", "~=")]
    if len(bounds) != 1:
        sys.exit(f"pyproject.toml: '{requirement}' has no lower bound (write {requirement.name}>=X)")
    return f"{requirement.name}=={bounds[0]}"


def main() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    lines = list(project["dependencies"])
    for extra in sys.argv[1:]:
        lines += extra_lines(project, extra)
    print(*sorted({lowest(r) for r in requirements(project, lines)}, key=str.lower), sep="\n")


if __name__ == "__main__":
    main()
