"""What `ecalwindows show` drew, as text."""

from __future__ import annotations

from shlex import quote

from ecalwindows.commands.show import Shown

MAX_LINES = 20


def shown_text(shown: Shown, source: str) -> str:
    """One line per window, the highest Et first, what the picture lacks, and the next step."""
    words = {True: "matched", False: "not matched", None: ""}
    width = max(len(name) for name, *_ in shown.windows)
    lines = list[str]()
    for name, et, matched in shown.windows[:MAX_LINES]:
        energy = f"{shown.et} Et {et:8.2f} GeV" if shown.et else ""
        lines.append(f"{name:<{width}}  {energy}  {words[matched]}".rstrip())
    if (more := len(shown.windows) - MAX_LINES) > 0:
        lines.append(f"and {more} more")
    lines += shown.notes
    if len(shown.windows) > 1:
        lines.append(f"draw one of them with `ecalwindows show {quote(source)} --window {shown.windows[0][0]}`")
    return "\n".join([*lines, f"wrote {shown.picture}"])
