"""How HTCondor runs the jobs of a production: the block `htcondor` of its YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ecalwindows.core.names import at_home
from ecalwindows.core.setting_types import Frozen, HomePath, Size

Flavour = Literal["espresso", "microcentury", "longlunch", "workday", "tomorrow", "testmatch", "nextweek"]


def line_problem(text: str) -> str | None:
    """Why a value cannot be on a line of a submit file; None where it can."""
    if not text.isprintable():
        return "it has a line end or another control character, which a submit file cannot hold"
    if text.rstrip().endswith("\\"):
        return "it ends in a backslash, with which a submit file goes on in the next line"
    return "it has a '$', which HTCondor would expand" if "$" in text else None


def _one_line(value: str) -> str:
    if problem := line_problem(value):
        raise ValueError(problem)
    return value


def _path_of_one_line(path: Path) -> Path:
    _one_line(str(path))
    return path


def _no_statement(key: str) -> str:
    if key.lower() in STATEMENTS:
        raise ValueError(f"'{key}' is a statement of submit files, and no setting")
    return key


STATEMENTS = ("queue", "include", "if", "elif", "else", "endif", "error", "warning", "use")
Line = Annotated[str, Field(min_length=1), AfterValidator(_one_line)]
Key = Annotated[str, Field(pattern=r"^\+?[A-Za-z_][A-Za-z0-9_.]*$"), AfterValidator(_no_statement)]
"""Name of a line of a submit file, such as `requirements`, `+Project` or `MY.Project`."""


class HTCondor(Frozen):
    """How jobs run on HTCondor."""

    queue: Flavour | None = Field(None, description="CERN's job flavour, which limits the time of a job.")
    accounting_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = Field(
        None, description="Group that the jobs are accounted to, such as group_u_CMS.CAF.COMM."
    )
    request_memory: Size = Field("2 GB", description="Memory of a job; after a hold for memory it grows by half.")
    max_memory: Size = Field("8 GB", description="The most that it grows to.")
    request_disk: Size = Field("4 GB", description="Disk of a job.")
    send_credential: bool = Field(False, description="Send the Kerberos ticket along (CERN: EOS and AFS).")
    x509_proxy: Annotated[HomePath, AfterValidator(_path_of_one_line)] | None = Field(
        None, description="File of a grid proxy that jobs get."
    )
    venv: HomePath | None = Field(None, description="Virtual environment of jobs [that of the submission].")
    image: Annotated[Line, AfterValidator(at_home)] | None = Field(
        None, description="Container image in which jobs run, instead of a venv."
    )
    view: HomePath | None = Field(
        None, description="Folder of an LCG view: its setup.sh is read before the venv is used."
    )
    files: Literal["shared", "transfer"] = Field(
        "shared", description="Whether jobs see the work folder and local inputs, or HTCondor transfers all they need."
    )
    extra: dict[Key, Line] = Field(default_factory=dict, description="Any other lines of the submit file.")

    @model_validator(mode="after")
    def _one_environment(self) -> Self:
        if self.image and (self.venv or self.view):
            raise ValueError("an image holds all that jobs need: leave out venv and view")
        return self
