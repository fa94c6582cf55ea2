"""What `ecalwindows show` drew, as text."""

from __future__ import annotations

from shlex import quote

from ecalwindows.commands.show import Shown

MAX_LINES = 20


def shown_text(shown: Shown, source: str) -> str:
    """One line per window, the highest Et first, what the picture lacks, and the next step."""
    words = {True: "matched", False: "not matched", None: ""}
    width = max(len(name) for name, *_ in shown.windows)
    et_words = f"{shown.et} Et".strip()
    lines = [
        f"{name:<{width}}  {et_words} {et:8.2f} GeV  {words[matched]}".rstrip()
        for name, et, matched in shown.windows[:MAX_LINES]
    ]
    if (more := len(shown.windows) - MAX_LINES) > 0:
        lines.append(f"and {more} more")
    lines += shown.notes
    if len(shown.windows) > 1:
        lines.append(f"draw one of them with `ecalwindows show {quote(source)} --window {shown.windows[0][0]}`")
    return "\n".join([*lines, f"wrote {shown.picture}"])
