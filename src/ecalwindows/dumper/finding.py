"""Where an event is in a dumper file: only the ids of events are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.dumper.branches import BRANCHES
from ecalwindows.dumper.columns import read_columns
from ecalwindows.dumper.headers import check_branches, open_tree
from ecalwindows.dumper.values import integers

IDS = tuple(branch for branch in BRANCHES if branch.part == "event" and branch.key in ("run", "lumi", "event"))


def event_ids(path: str, tree_name: str) -> NDArray[np.int64]:
    """Run, luminosity section and event of every entry, (3, n_entries). Raises BadFileError."""
    with open_tree(path, tree_name) as tree:
        check_branches(path, tree, IDS)
        columns = read_columns(tree, [branch.name for branch in IDS], 0, int(tree.num_entries))
        return np.stack([integers(branch, columns[branch.name].content, path) for branch in IDS])
