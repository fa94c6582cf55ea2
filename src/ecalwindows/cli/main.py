"""The command `ecalwindows`: its commands by section, and the one place where errors become text and exit codes."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import click

from ecalwindows.cli.groups import LazyGroup
from ecalwindows.cli.printing import say
from ecalwindows.core.interrupts import INTERRUPTED, interrupt_on, interrupts_kept

SECTIONS = {
    "First look": {
        "demo": "Run the chain of commands on a packaged sample.",
        "inspect": "Report what a dumper file or a dataset holds.",
        "simulate": "Write dumper files of simulated events with known truth.",
    },
    "Make windows and datasets": {
        "windows": "Make detector windows from dumper files.",
        "convert": "Convert datasets between Parquet, NDJSON and TFRecord.",
        "finalize": "Verify parts and make them a dataset with its record.",
        "relabel": "Apply other working points to a dataset.",
    },
    "Check": {
        "validate": "Check everything that must be true of a dataset.",
        "compare": "Report whether two datasets are equal, and where they differ.",
        "log": "Print the history of datasets, note known issues.",
    },
    "Study the truth": {
        "truth": "Matched clusters, window size, working points.",
    },
    "Prepare a training, look at data": {
        "normalize": "Write mean, width and range of the inputs of a model.",
        "reweight": "Derive weights that give electrons and photons the same distributions.",
        "stream": "Report what the batches of a training hold, and how fast they come.",
        "export": "Write a model and its inputs for CMSSW.",
        "report": "Write one page to look at a dataset and its windows.",
        "plot": "Draw the distributions of a dataset.",
        "show": "Draw one window, or the windows of one event.",
    },
    "Judge a model": {
        "evaluate": "Make superclusters of scores, and measure them.",
        "parity": "Find differences between training and CMSSW.",
    },
    "Many files": {
        "production": "Make a dataset of many files, with nothing lost.",
        "condor": "Productions with the options of the old condor_*.py scripts.",
    },
    "Reference": {
        "columns": "Print the table of all columns.",
    },
}
"""Titles in `--help`, in the order in which a person needs them; below each its commands with their short helps."""

OTHER_WORDS = {
    "info": ("inspect", "log", "columns"),
    "history": ("log",),
    "check": ("validate",),
    "verify": ("validate",),
    "diff": ("compare",),
    "draw": ("show", "plot", "report"),
    "html": ("report",),
    "help": ("--help",),
    "version": ("--version",),
    **{name: (f"truth {name}",) for name in ("match", "window-size", "working-points")},
    **{name: (f"production {name}",) for name in ("plan", "run", "resume", "submit", "status", "digest")},
}
"""Words that are not commands, and what is meant by them."""

ESCAPES = "ecalwindows.escapes"
"""How texts are printed that a stream cannot show."""

INTERNAL = 70
MAX_NAMED = 3
"""Outputs that are named when a run is interrupted."""


class Commands(LazyGroup):
    """The group of all commands."""

    sections = SECTIONS
    other_words = OTHER_WORDS
    home = "ecalwindows.cli"


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from ecalwindows.core.version import revision, version

        say(f"ecalwindows {version} (revision {revision})")
        context.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog='Completion: eval "$(_ECALWINDOWS_COMPLETE=bash_source ecalwindows)" (also zsh_source, fish_source).',
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def cli() -> None:
    """From RecoSimDumper ROOT files to verified datasets of CMS ECAL detector windows.

    \b
    ecalwindows demo                                    a first look, no input needed
    ecalwindows windows dump.root -o windows.parquet    the main job
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Errors become text on stderr and an exit code; ECALWINDOWS_TRACEBACK=1 shows where they arose."""
    from ecalwindows.core.errors import EcalWindowsError

    atexit.register(gc.freeze)  # Python need not look for unused objects when it ends: that takes 0.4 s
    open_standard_streams()
    _named().clear()
    words = None if arguments is None else list(arguments)
    try:
        interrupt_on(signal.SIGTERM)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it is ignored in the background
            interrupt_on(signal.SIGINT)
        _show_all_names()
        with interrupts_kept():
            code = cli.main(args=words, prog_name="ecalwindows", standalone_mode=False)
        if code:  # of a command that left with click's Exit
            sys.exit(code)
        if arguments is None:
            _end_quickly()
    except click.ClickException as error:
        text = io.StringIO()
        error.show(file=text)
        _say(text.getvalue().rstrip("\n"))
        sys.exit(error.exit_code)
    except EcalWindowsError as error:
        _traceback_if_wanted()
        _say(f"error: {error.text_for(_options(sys.argv[1:] if words is None else words))}")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # click takes the end of a file for Ctrl-D
            _traceback_if_wanted()
            _say(f"error: a file ends too early: {error.__cause__}")
            _say("  next:     check the inputs with `ecalwindows validate`, and copy or make again the one that is cut")
            sys.exit(EcalWindowsError.exit_code)
        _say(_interrupted())
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe has seen enough, as `head` does
        _discard_output()
        sys.exit(1)
    except MemoryError:
        _say("error: out of memory\n  next:     give a smaller budget with --memory")
        sys.exit(INTERNAL)
    except OSError as error:
        _traceback_if_wanted()
        _say(_system_error(error))
        _discard_output()
        sys.exit(EcalWindowsError.exit_code)
    except Exception as error:
        _traceback_if_wanted()
        _say(f"internal error: {type(error).__name__}: {error}")
        _say("  next:     run again with ECALWINDOWS_TRACEBACK=1 and report what it prints")
        sys.exit(INTERNAL)


def _end_quickly() -> None:
    """End a process that did one command of `quick_imports`, without taking its modules apart, which takes long.

    What is registered for the end runs; where a thread still runs, Python ends the process.
    """
    lazy = sys.modules.get("ecalwindows.core.lazy")
    if getattr(lazy, "is_quick", False) and threading.active_count() == 1:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _options(words: Sequence[str]) -> set[str]:
    """The options of the command that was called."""
    command: click.Command = cli
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word) or command
    return {option for each in command.params for option in (*each.opts, *each.secondary_opts)}


def _named() -> list[Path]:
    """Outputs that got their names so far; the module that lists them is not imported for this."""
    found: list[Path] = getattr(sys.modules.get("ecalwindows.core.files.commit"), "named", [])
    return found


def _interrupted() -> str:
    """What an interrupt has left."""
    if not (named := _named()):
        return "interrupted: nothing has changed under the output's name"
    names = [str(path) for path in dict.fromkeys(reversed(named))]
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"interrupted: complete by then: {', '.join(names[:MAX_NAMED])}{more}; nothing else has changed"


def _show_all_names() -> None:
    """A name that the terminal cannot show, or that is not UTF-8, is printed with escapes, and ends no run."""
    codecs.register_error(ESCAPES, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPES)


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """The bytes of a name that Python could not decode as they are (`\\xe9`), other characters by their numbers."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    shown = (f"\\x{ord(each) - 0xDC00:02x}" if 0xDC80 <= ord(each) <= 0xDCFF else
             each.encode("ascii", "backslashreplace").decode("ascii") for each in text)  # fmt: skip
    return "".join(shown), error.end


def open_standard_streams() -> None:
    """Open those of stdin, stdout and stderr that are closed (as `>&-` does) on the null device.

    Else the next file that is opened would get their number, and what is printed would go into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number: this one
        if getattr(sys, name) is None:
            stream = open(os.devnull, "r" if number == 0 else "w", encoding="utf-8")  # noqa: SIM115 (as Python's own)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _discard_output() -> None:
    """Let nothing more be written: Python would try it again when it ends, and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(null, stream.fileno())


def _say(text: str) -> None:
    """Print on stderr, if that is possible."""
    with contextlib.suppress(OSError):
        say(text, err=True)


def _system_error(error: OSError) -> str:
    """What the system refused, in the four parts of an error."""
    from ecalwindows.core.errors import OutputError

    names = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    return "error: " + (
        OutputError(
            f"the system refuses: {error.strerror or error}",
            expected="files and folders that can be read and written, with space left",
            where=names or "a file that the system does not name",
            todo="check permissions, free space and quota there; ECALWINDOWS_TRACEBACK=1 shows what was being done",
        ).command_line_text
    )


def _traceback_if_wanted() -> None:
    if os.environ.get("ECALWINDOWS_TRACEBACK"):
        import traceback

        traceback.print_exc()
