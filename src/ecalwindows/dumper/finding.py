"""Where an event stands in a dumper file: from its ids alone, nothing else is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.dumper.branches import BRANCHES
from ecalwindows.dumper.columns import column_names, read_columns
from ecalwindows.dumper.headers import open_tree
from ecalwindows.errors import BadFileError, near

IDS = tuple(branch.name for branch in BRANCHES if branch.part == "event" and branch.key in ("run", "lumi", "event"))


def event_ids(path: str, tree_name: str) -> NDArray[np.int64]:
    """Run, luminosity section and event of every entry, (3, n_entries). Raises BadFileError."""
    with open_tree(path, tree_name) as tree:
        names = column_names(tree)
        for name in IDS:
            if name not in names:
                raise BadFileError(
                    f"the required branch '{name}' is missing",
                    expected=near(name, names) if names else "the branches of RecoSimDumper; the tree has none",
                    where=path,
                    todo="make the dump with this branch",
                )
        columns = read_columns(tree, IDS, 0, int(tree.num_entries))
    return np.stack([columns[name].content.astype(np.int64) for name in IDS])
