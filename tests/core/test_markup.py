"""Names and notes in pages stay text: whatever they hold, a page has no element that it would not have without."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import run
from helpers.flat_folders import flat_folder
from helpers.golden_files import GOLDEN
from helpers.record import FIELDS, record
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ecalwindows.core.markup import Markdown, code, html, markdown, one_line, plain, table
from ecalwindows.dataset.finalizing.card import card
from ecalwindows.dataset.record import DatasetRecord
from ecalwindows.plots.gallery import gallery

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = (
    '<script>alert(1)</script> <img src=x onerror="alert(1)"> &lt;b&gt; [a](javascript:alert(1)) ![b](x.png) '
    "<javascript:x> [c]: http://evil [c] [d][c] **bold** _slanted_ ~~gone~~ `code` ``` | cell | $x$ \\ # h\n"
    "# heading\n- item\n1. one\n> quote\n---\n===\n~~~\n    indented\n|a|b|\n|---|---|\n\x1b[31m\u202e\u2028# more"
)


def tokens(text: str) -> Iterator[Token]:
    for token in RENDERER.parse(text):
        yield token
        yield from token.children or ()


def elements(text: str) -> list[str]:
    """Kinds of the elements of a page, in order."""
    return [token.type for token in tokens(text) if token.type not in ("text", "text_special")]


def shown(text: str) -> str:
    """The text that a page shows."""
    return "".join(token.content for token in tokens(text) if token.type in ("text", "text_special", "code_inline"))


LETTERS = st.text(st.sampled_from("ab1. -+*_~=#<>&;:!|()[]{}`'\"\\/$\n\t^@x"), max_size=25)


@given(LETTERS)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    wanted = one_line(text)
    for template in ("{}", "- {}", "# {}", "words {} words", "- **{}** more", "> {}"):
        page = markdown(template, text)
        usual = markdown(template, "word") if wanted else markdown(template, "")
        assert elements(page) == elements(usual), page
        if wanted:
            assert wanted in shown(page), page


@given(LETTERS, LETTERS)
def test_any_text_is_one_cell_of_a_table(one: str, two: str) -> None:
    usual = "\n".join(table(("a", "b"), [("w", "w"), (code("w"), "w")]))
    page = "\n".join(table(("a", "b"), [(one, two), (code(f"x{one}x"), two)]))
    assert [kind for kind in elements(page) if kind != "code_inline"] == [
        kind for kind in elements(usual) if kind != "code_inline"
    ], page
    assert one_line(one) in shown(page) and one_line(two) in shown(page)


@given(LETTERS)
def test_any_text_is_one_span_of_code(text: str) -> None:
    page = markdown("- {} words", code(text))
    spans = [token for token in tokens(page) if token.type == "code_inline"]
    assert [span.content.strip() for span in spans] == ([one_line(text)] if one_line(text) else [])


@given(LETTERS)
def test_any_text_is_text_in_html(text: str) -> None:
    seen: list[Any] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, attrs))

        def handle_data(self, data: str) -> None:
            seen.append(data)

    reader = Reader()
    reader.feed(f'<p title="{html(text)}">x{html(text)}</p>')
    reader.close()
    assert seen == [("p", [("title", one_line(text))]), f"x{one_line(text)}"]


def test_what_is_markdown_already_is_not_escaped_again() -> None:
    assert plain(Markdown("**a**")) == "**a**" and markdown("{}", plain("*a*")) == plain("*a*")


def test_usual_text_is_left_as_it_is() -> None:
    for text in (
        "in_mustache is wrong, use in_geom_mustache",
        "2022-10-12: rho",
        "-999",
        "1.5 GB",
        "a * b",
        "CC-BY-4.0",
    ):
        assert plain(text) == text


FIELDS_OF_TEXT = [
    ("name",), ("version",), ("split_method",), ("licence",), ("citation",), ("contact",), ("columns", 0), ("hits", 0),
    ("derived_from", 0), ("samples", 0, "name"), ("samples", 0, "flavour"), ("samples", 0, "working_points", "name"),
    ("samples", 0, "working_points", "sha256"), ("files", 0, "sha256"), ("inputs", 0, "name"), ("inputs", 0, "sha256"),
    ("inputs", 0, "adler32"), ("bad_inputs", 0, "name"), ("bad_inputs", 0, "reason"), ("software", 0, "version"),
    ("software", 0, "revision"), ("normalisation", 0, "name"), ("normalisation", 0, "sha256"),
    ("reweighting", 0, "name"), ("reweighting", 0, "sha256"), ("known_issues", 0, "text"),
    ("known_issues", 0, "column"), ("settings", "tree"), ("finalised_with", "ecalwindows"),
]  # fmt: skip
FULL = record(reweighting=FIELDS["normalisation"]).model_dump(mode="json", by_alias=True)
FULL["inputs"][0]["adler32"] = "0" * 8
FULL["settings"]["tree"] = "recosimdumper/caloTree"


def changed(path: tuple[Any, ...], text: str) -> DatasetRecord:
    """A record with another text at one place."""
    content = copy.deepcopy(FULL)
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = text
    return DatasetRecord.model_validate(content)


def test_all_texts_of_a_record_are_tried() -> None:
    """Other texts of a record are names of files, formats and splits, shares and days, which are checked."""
    checked = {"kind", "format", "date", "share", "split", "pileup", "mode"}

    def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        if isinstance(value, dict):
            for key, each in value.items():
                yield from texts(each, (*path, key))
        elif isinstance(value, list):
            for each in value[:1]:
                yield from texts(each, (*path, 0))
        elif isinstance(value, str):
            yield path

    left = {path for path in texts(FULL) if path not in FIELDS_OF_TEXT and path[-1] not in checked}
    assert left == {("files", 0, "name"), ("splits", 0, "name")}


@pytest.mark.parametrize("path", FIELDS_OF_TEXT, ids=str)
def test_the_card_shows_every_text_of_a_record_as_text(path: tuple[Any, ...]) -> None:
    page = card(changed(path, HOSTILE))
    kinds = elements(page)
    assert not {"html_block", "html_inline", "link_open", "image", "s_open", "strong_open", "em_open"} & {*kinds}
    usual = card(changed(path, "words"))
    assert [kind for kind in kinds if kind != "code_inline"] == [
        kind for kind in elements(usual) if kind != "code_inline"
    ]
    assert "\x1b" not in page and "\u202e" not in page


@pytest.mark.parametrize("key", ["counts", "settings", "finalised_with", "notes"])
def test_the_card_shows_every_key_of_a_record_as_text(key: str) -> None:
    content = copy.deepcopy(FULL)
    content[key] = dict(content.get(key) or {}) | {HOSTILE: {"counts": 1}.get(key, "words")}
    kinds = elements(card(DatasetRecord.model_validate(content)))
    assert not {"html_block", "html_inline", "link_open", "image", "s_open", "strong_open", "em_open"} & {*kinds}


def test_the_gallery_shows_names_as_text() -> None:
    page = gallery(["a'><script>", "columns/en_cluster"], ["<b>.csv", 'x" onclick="y'], HOSTILE, pdf=True)
    tags = dict.fromkeys(re.findall(r"<\s*([a-z0-9!/]+)", page.lower()))
    assert "script" not in tags and "img" in tags and " onclick=" not in page.replace("&quot; onclick=", "")
    assert "\x1b" not in page


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flat_folder(tmp_path_factory.mktemp("parts") / "parts")


def test_what_people_say_of_a_dataset_is_text_in_all_its_pages(parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("finalize", str(parts), "-o", str(out), "--name", "x", "--citation", HOSTILE, "--licence", HOSTILE,
        "--contact", HOSTILE, "--derived-from", "<b>@1", "-q")  # fmt: skip
    run("log", "note", str(out), HOSTILE)
    readme, history = (out / "README.md").read_text(), run("log", str(out)).out
    for page in (readme, history):
        kinds = elements(page)
        assert not {"html_block", "html_inline", "link_open", "image", "s_open", "em_open"} & {*kinds}
        assert "alert(1)" in shown(page) and "\x1b" not in page
    assert readme.count("\n# ") == 0 and readme.startswith("# x, version 1\n")
    json.loads((out / "croissant.json").read_text())


def test_names_of_bad_inputs_are_text_in_the_card(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.root").write_bytes((GOLDEN / "electrons.root").read_bytes())
    (tmp_path / "d" / "<img src=x>`|[a](javascript:b).root").write_bytes(b"no ROOT file")
    run("windows", str(tmp_path / "d"), "-o", str(tmp_path / "p" / "w.parquet"), "--skip-bad-files", "-q")
    run("finalize", str(tmp_path / "p"), "-o", str(tmp_path / "out"), "--name", "x", "-q")
    page = (tmp_path / "out" / "README.md").read_text()
    assert not {"html_block", "html_inline", "link_open", "image"} & {*elements(page)}
    assert "<img src=x>`|[a](javascript:b).root" in shown(page)


def test_a_dataset_in_a_folder_with_markup_in_its_name(parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "<script>alert(1)<&script> $x^2"
    folder.mkdir()
    (folder / "w.parquet").write_bytes((parts / "w-2.parquet").read_bytes())
    run("plot", str(folder), "-o", str(tmp_path / "plots"), "--only", "en_cluster", "--no-pdf", "-q")
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page
