"""Whether the branches of a file hold one entry for each event of its tree, as the file's own tables say.

The number of entries that a tree states is not believed: a branch that ends early, or that was added late, would give
some events the values that belong to other events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

from ecalwindows.dumper.errors import bad_file


def is_rntuple(tree: Any) -> bool:
    """Whether a tree is an RNTuple."""
    return isinstance(tree, uproot.behaviors.RNTuple.HasFields)


def check_coverage(tree: Any, names: Iterable[str]) -> None:
    """Compare the entries of branches with those of their tree; no data are read.

    Parameters
    ----------
    tree : uproot TTree or RNTuple
    names : top-level branches or fields that are there

    Raises
    ------
    BadFileError
        for the first branch with more or fewer entries than the tree, or whose baskets (RNTuple: clusters) leave gaps
        or overlap; names the branch and both numbers
    """
    names = list(names)
    if is_rntuple(tree):
        found = _ntuple_problems(tree, names)
    else:
        found = (_branch_problem(tree[name], int(tree.num_entries)) for name in names)
    for problem in found:
        if problem:
            raise bad_file(tree, problem, "in every branch one entry for each event of the tree")


def _branch_problem(branch: Any, n_entries: int) -> str:
    """What is wrong with the entries of a branch of a TTree, empty if nothing is."""
    if int(branch.num_entries) != n_entries:
        return f"branch '{branch.name}' has {branch.num_entries:,} entries, its tree {n_entries:,}"
    try:
        edges = np.asarray(branch.entry_offsets, dtype=np.int64)
    except ValueError as error:
        return f"the baskets of branch '{branch.name}' do not fit its entries: {str(error).splitlines()[0]}"
    if edges[0] != 0 or (np.diff(edges) < 0).any():
        return f"the baskets of branch '{branch.name}' begin at the entries {_some(edges)}, in no order from 0 on"
    return ""


def _ntuple_problems(tree: Any, names: Sequence[str]) -> Iterator[str]:
    """What is wrong with the clusters of an RNTuple, then with each field."""
    starts = np.array([cluster.num_first_entry for cluster in tree.cluster_summaries], dtype=np.int64)
    sizes = np.array([cluster.num_entries for cluster in tree.cluster_summaries], dtype=np.int64)
    if (starts != np.cumsum(sizes) - sizes).any():
        yield f"the clusters of the tree begin at the entries {_some(starts)} and hold {_some(sizes)} entries"
    form: Any = tree.to_akform(filter_name=names)[0] if names else None
    for name in names:
        key = str(form.content(name).form_key)
        if key.startswith("column-"):  # else it has no column of its own: its parts are checked when they are read
            yield _field_problem(tree, name, int(key.split("-")[1]), sizes)


def _field_problem(tree: Any, name: str, column: int, sizes: NDArray[np.int64]) -> str:
    """What is wrong with a field whose column must have `sizes` elements in the clusters."""
    held = np.array([elements(tree, cluster, column) for cluster in tree.page_link_list], dtype=np.int64)
    if held.sum() != sizes.sum() or len(held) != len(sizes):
        return f"branch '{name}' has {held.sum():,} entries, its tree {sizes.sum():,}"
    if (held != sizes).any():
        bad = int(np.argmax(held != sizes))
        return f"branch '{name}' has {held[bad]:,} entries in cluster {bad} of its tree, which has {sizes[bad]:,}"
    return ""


def elements(tree: Any, cluster: Any, column: int) -> int:
    """Elements of a column in a cluster; of columns that stand for each other the one that is used there."""
    if column < len(cluster) and cluster[column].suppressed:
        field = tree.column_records[column].field_id
        others = [i for i, other in enumerate(tree.column_records) if other.field_id == field and i < len(cluster)]
        column = next((i for i in others if not cluster[i].suppressed), column)
    return sum(int(page.num_elements) for page in cluster[column].pages) if column < len(cluster) else 0


def _some(numbers: Any) -> str:
    return ", ".join(f"{number:,}" for number in numbers[:6].tolist()) + (", ..." if len(numbers) > 6 else "")
