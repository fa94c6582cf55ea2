"""What can go wrong with a production as a whole."""

from __future__ import annotations

from ecalwindows.core.errors import EcalWindowsError


class ProductionError(EcalWindowsError):
    """A production cannot go on, or ended without a dataset."""


class LockedError(ProductionError):
    """Another runner has the production."""


class ChangedError(ProductionError):
    """What is asked for is not what the plan says."""


class ServerError(ProductionError):
    """A server does not answer: a later try may go well."""

    exit_code = 75


def one_line(error: BaseException) -> str:
    """An error in one line: what was found, for ours."""
    text = error.found if isinstance(error, EcalWindowsError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:300]
