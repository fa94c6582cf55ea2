"""Fields of an RNTuple as Awkward Arrays, cluster by cluster compared with what the file's tables say.

uproot puts the lists of a cluster behind the items of the lists before it. Where a cluster has more or fewer items than
its lists, all later clusters would get items of other clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np

from ecalwindows.dumper.coverage import elements
from ecalwindows.dumper.errors import bad_file


def read_ntuple(tree: Any, names: Sequence[str], start: int, stop: int) -> ak.Array:
    """Read the fields of entries [start, stop), as a record array.

    Parameters
    ----------
    tree : uproot RNTuple whose clusters follow each other (`coverage.check_coverage`)
    names : fields of numbers, lists or lists of lists of numbers

    Raises
    ------
    BadFileError
        where the lists of a cluster do not add up to the values that it has
    """
    ends = np.cumsum([int(cluster.num_entries) for cluster in tree.cluster_summaries], dtype=np.int64)
    first, last = np.searchsorted(ends, [start, stop - 1], side="right").tolist()
    if start >= stop:
        return tree.arrays(filter_name=names, entry_start=start, entry_stop=stop, array_cache=None)
    before = int(ends[first - 1]) if first else 0
    arrays = tree.arrays(filter_name=names, entry_start=before, entry_stop=int(ends[last]), array_cache=None)
    form = tree.to_akform(filter_name=names)[0]
    for name in names:
        _check_clusters(tree, name, arrays[name].layout, form.content(name), range(first, last + 1), ends - before)
    return arrays[start - before : stop - before]


def _check_clusters(tree: Any, name: str, layout: Any, form: Any, clusters: range, ends: Any) -> None:
    """Raise BadFileError unless the lists of a field hold in each cluster the values that the cluster has."""
    places = ends[clusters.start : clusters.stop]
    while isinstance(form, ak.forms.ListOffsetForm):
        offsets = np.asarray(layout.offsets)
        said = offsets[places] - offsets[0]
        form, layout = form.content, layout.content
        column = int(str(form.form_key).split("-")[1])
        held = np.cumsum([elements(tree, tree.page_link_list[number], column) for number in clusters])
        if (said != held).any():
            bad = int(np.argmax(said != held))
            numbers = [int(total[bad] - (total[bad - 1] if bad else 0)) for total in (held, said)]
            raise bad_file(
                tree, f"branch '{name}' has {numbers[0]:,} values in cluster {clusters[bad]} of its tree, "
                f"its lists there {numbers[1]:,}", "as many values as the lengths of the lists add up to",
            )  # fmt: skip
        places = said
