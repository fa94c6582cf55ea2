"""Fit the parametrised pile-up to Pythia's interactions (extra pythia8), and print both side by side.

python tools/tune_pileup.py [INTERACTIONS [SEED]] prints the lines of src/ecalwindows/data/conditions/run3.yaml that the
fit gives, then a table in Markdown of the packaged parametrisation beside Pythia.
"""

from __future__ import annotations

import sys

import yaml

from ecalwindows.simulate.conditions import read_conditions
from ecalwindows.simulate.minimum_bias import minimum_bias
from ecalwindows.simulate.tuning import compared, fitted, parametrised


def main(interactions: int = 20_000, seed: int = 1) -> None:
    theirs = minimum_bias(seed, interactions, least=0.0)
    print(yaml.safe_dump(fitted(theirs), sort_keys=False, default_flow_style=None))
    print("| mean per interaction | Pythia | parametrised | ratio | statistical error |\n|---|---|---|---|---|")
    for row in compared(theirs, parametrised(read_conditions(), interactions, seed)):
        print(f"| {row.name} | {row.theirs:.4g} | {row.ours:.4g} | {row.ratio:.3f} | {row.error:.3f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
