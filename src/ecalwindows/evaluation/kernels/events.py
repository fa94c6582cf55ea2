"""Loop of `evaluation/caloparticles.py`: how much of each caloparticle the superclusters of its event hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel

NONE = -1


@array_kernel
def caloparticles(
    seed_offsets: Any, cluster_offsets: Any, edge_offsets: Any, cluster: Any,
    is_true: Any, calo: Any, is_main: Any, main_of: Any, energy: Any,
    made_offsets: Any, made_window: Any, made_cluster_offsets: Any, made_cluster: Any,
) -> Any:  # fmt: skip
    """Follow each caloparticle, by the window of its main cluster, into the superclusters of its event.

    seed_offsets, cluster_offsets, edge_offsets, cluster : the windows of events, see `strategies.Graphs`
    is_true : bool (n_edges,), the cluster belongs to the true supercluster of the window's caloparticle
    calo    : int64 (n_windows,), caloparticle of the seed, -1 without
    is_main : bool (n_windows,), the seed is the main cluster of its caloparticle
    main_of : int64 (n_clusters,), caloparticle of which a cluster is the main cluster, -1 without
    energy  : float64 (n_clusters,), raw energy [GeV]
    made_*  : superclusters, see `strategies.Superclusters`

    Returns int64 (4, n_windows) and float64 (4, n_windows), of which only windows with `is_main` are filled: the first
    supercluster with the main cluster (-1 without), whether it has other main clusters, true clusters that are in
    other windows of the caloparticle only, clusters that are true; energy of the true clusters, of those in the
    supercluster, the largest one in another supercluster, and the energy out of reach.
    """
    n_windows = seed_offsets[-1]
    numbers, energies = np.zeros((4, n_windows), np.int64), np.zeros((4, n_windows))
    numbers[0] = NONE
    n_clusters = cluster_offsets[-1]
    holder, inside = np.empty(n_clusters, np.int64), np.empty(n_clusters, np.int64)
    true_in, counted = np.empty(n_clusters, np.int64), np.empty(n_clusters, np.int64)
    for places in (holder, inside, true_in, counted):
        places[:] = NONE
    for graph in range(len(seed_offsets) - 1):
        first, begin, end = cluster_offsets[graph], seed_offsets[graph], seed_offsets[graph + 1]
        for made in range(made_offsets[graph], made_offsets[graph + 1]):
            for k in range(made_cluster_offsets[made], made_cluster_offsets[made + 1]):
                place = first + made_cluster[k]
                if holder[place] == NONE:
                    holder[place] = made
        for window in range(begin, end):
            if not is_main[window]:
                continue
            for edge in range(edge_offsets[window], edge_offsets[window + 1]):
                place = first + cluster[edge]
                inside[place] = window
                if is_true[edge]:
                    true_in[place] = window
                    energies[0, window] += energy[place]
                    numbers[3, window] += 1
            own = holder[first + window - begin]
            numbers[0, window] = own
            for made in range(made_offsets[graph], made_offsets[graph + 1]):
                held = 0.0
                for k in range(made_cluster_offsets[made], made_cluster_offsets[made + 1]):
                    place = first + made_cluster[k]
                    if true_in[place] == window:
                        held += energy[place]
                    if made == own and main_of[place] != NONE and main_of[place] != calo[window]:
                        numbers[1, window] = 1
                if made == own:
                    energies[1, window] = held
                else:
                    energies[2, window] = max(energies[2, window], held)
            for other in range(begin, end):
                if other == window or calo[other] != calo[window]:
                    continue
                for edge in range(edge_offsets[other], edge_offsets[other + 1]):
                    place = first + cluster[edge]
                    if is_true[edge] and inside[place] != window and counted[place] != window:
                        counted[place] = window
                        numbers[2, window] += 1
                        energies[3, window] += energy[place]
    return numbers, energies
