"""The lists of commands in `--help`, and what is suggested for a name that is not there."""

from __future__ import annotations

import re

import click
import pytest
from helpers.cli import attempt, commands, run

from ecalwindows.cli.main import cli

HIDDEN = ("task", "merge", "finish", "take", "carried")


def titles_and_commands(text: str) -> dict[str, list[str]]:
    """Titles of the sections of a help text, and the first words of their indented lines."""
    sections = re.findall(r"^(\S.*):\n((?:  .*\n)+)", text, flags=re.MULTILINE)
    return {title: re.findall(r"^  ([a-z-]+)  ", lines, flags=re.MULTILINE) for title, lines in sections}


def test_help_lists_every_command_once_in_the_order_in_which_they_are_needed() -> None:
    sections = titles_and_commands(run("--help").out)
    del sections["Options"]
    assert list(sections) == [
        "First look", "Make windows and datasets", "Check", "Study the truth", "Prepare a training, look at data",
        "Judge a model", "Many files", "Reference",
    ]  # fmt: skip
    assert [name for names in sections.values() for name in names] == cli.list_commands(click.Context(cli))


def test_every_listed_command_can_be_called() -> None:
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None and command.name == name


def test_commands_that_only_executors_call_are_not_listed_but_can_be_called() -> None:
    listed = titles_and_commands(run("production", "--help").out)["Commands"]
    assert listed == ["plan", "run", "resume", "submit", "status", "report", "digest"]
    for name in HIDDEN:
        assert "Usage: ecalwindows production" in run("production", name, "--help").out


def test_the_help_names_values_and_not_types() -> None:
    """`--seed N`, not `--seed INTEGER RANGE`."""
    types = (click.types.IntParamType, click.types.FloatParamType)
    numbers = [
        f"{command.name} {option.opts[-1]}"
        for command in commands(cli)
        for option in command.params
        if isinstance(option, click.Option) and isinstance(option.type, types) and not option.metavar
    ]
    assert numbers == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("normalise", "normalize"),
        ("simulation", "simulate"),
        ("Windows", "windows"),
        ("info", "log"),
        ("match", "truth match"),
        ("status", "production status"),
        ("production statsu", "status"),
        ("truth windowsize", "window-size"),
        ("truth working_points", "working-points"),
        ("condor window", "windows"),
    ],
)
def test_an_unknown_name_is_an_error_with_near_names(typed: str, meant: str) -> None:
    ran = attempt(*typed.split())
    assert ran.code == 2
    assert "No such" in ran.err and "Did you mean" in ran.err and f"'{meant}'" in ran.err


def test_an_unknown_option_is_an_error_with_near_names() -> None:
    """By click itself, of which older versions use other words."""
    ran = attempt("windows", "--overlp")
    assert ran.code == 2 and "No such option" in ran.err and "--overlp" in ran.err and "--overlap" in ran.err


def test_a_name_like_no_other_gets_no_suggestion_and_hidden_commands_are_not_suggested() -> None:
    for typed in (["xyzzy"], ["production", "carriedd"]):
        ran = attempt(*typed)
        assert ran.code == 2 and f"No such command '{typed[-1]}'." in ran.err and "Did you mean" not in ran.err
