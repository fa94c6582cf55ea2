"""Fit the parametrised pile-up to Pythia's interactions (extra pythia8mc), and print both side by side.

python tools/tune_pileup.py [INTERACTIONS [SEED]] prints the fitted lines for ecalwindows/data/conditions/run3.yaml,
then a Markdown table that compares the packaged parametrisation with Pythia.
"""

from __future__ import annotations

import sys

import yaml

from ecalwindows.simulation.conditions import read_conditions
from ecalwindows.simulation.minimum_bias import minimum_bias
from ecalwindows.simulation.tuning import compared, fitted, parametrised


def main(interactions: int = 20_000, seed: int = 1) -> None:
    pythia = minimum_bias(seed, interactions, min_energy=0.0)
    print(yaml.safe_dump(fitted(pythia), sort_keys=False, default_flow_style=None))
    print("| mean per interaction | Pythia | parametrised | ratio | statistical error |\n|---|---|---|---|---|")
    for row in compared(pythia, parametrised(read_conditions(), interactions, seed)):
        print(f"| {row.name} | {row.pythia:.4g} | {row.parametrisation:.4g} | {row.ratio:.3f} | {row.error:.3f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
