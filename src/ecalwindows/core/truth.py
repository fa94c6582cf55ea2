"""Windows without truth: of data, or of a simulation that was dumped without caloparticles."""

from __future__ import annotations

from collections.abc import Collection

from ecalwindows.core.errors import InputError
from ecalwindows.core.schema import TRUTH


def refuse_without_truth(columns: Collection[str], needs: str, where: str) -> None:
    """Raise InputError for windows of which no column comes from caloparticles.

    Parameters
    ----------
    columns
        Names of the columns that the windows have.
    needs
        What needs truth, for the error: "new labels need".
    where
        The windows, for the error.
    """
    if TRUTH.isdisjoint(columns):
        raise InputError(
            "the windows have no truth: none of their columns comes from caloparticles",
            expected=f"windows with truth, which {needs}", where=where,
            todo="make the windows from a dump with caloparticles (`ecalwindows windows --truth require`)",
        )  # fmt: skip
