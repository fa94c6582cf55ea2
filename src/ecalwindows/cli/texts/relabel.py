"""The summary of `ecalwindows relabel`."""

from __future__ import annotations

from ecalwindows.commands.relabel import Relabelled
from ecalwindows.core.names import counted


def relabelled_summary(done: Relabelled) -> str:
    """Several lines of text: what was read, what changed, where it is."""
    rows = [
        ("windows", done.windows, f"in {counted(done.n_files, 'file')}"),
        ("  changed", done.changed, "have a cluster with another in_scluster"),
        ("clusters", done.clusters, ""),
        ("  now in_scluster", done.gained, ""),
        ("  no longer", done.lost, ""),
    ]
    lines = [f"{name:<24}{number:>13,}  {words}".rstrip() for name, number, words in rows]
    lines.append(f"{done.seconds:.1f} s")
    if done.left_out:
        lines.append(f"without {', '.join(done.left_out)}: `ecalwindows convert` makes it of the new dataset")
    verb = "replaced" if done.replaced else "written"
    return "\n".join([*lines, *(f"{verb}: {path}" for path in done.outputs)])
