"""Lines of code in src: without blank lines, comments and docstrings, by room.

usage: code_lines.py [FOLDER]      (src/ecalwindows of this checkout by default)

A line counts when a token of code is on it. Docstrings are the texts after a module, class or function begins, and
the texts below a constant that explain it.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "ecalwindows"
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip


def text_lines(tree: ast.Module) -> set[int]:
    """Lines of docstrings and other texts that are statements of their own."""
    found: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str()), lineno=first, end_lineno=int(last)):
                found.update(range(first, last + 1))
    return found


def code_lines(text: str) -> int:
    """Number of lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - text_lines(ast.parse(text)))


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    lines, files = Counter[str](), Counter[str]()
    for file in sorted(source.rglob("*.py")):
        place = file.relative_to(source).parts
        room = f"{place[0]}/" if len(place) > 1 else "(root)"
        lines[room] += code_lines(file.read_text(encoding="utf-8"))
        files[room] += 1
    for room in sorted(lines):
        print(f"{lines[room]:7,}  {room:14} {files[room]:4} files")
    print(f"{lines.total():7,}  {'all':14} {files.total():4} files")


if __name__ == "__main__":
    main()
