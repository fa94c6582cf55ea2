"""`ecalwindows export`: models and their inputs as files for other programs; today for CMSSW."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.groups import SuggestingGroup
from ecalwindows.cli.printing import say


@click.group(
    cls=SuggestingGroup,
    epilog="""\b
Examples:
  ecalwindows export cmssw inputs.yaml --model model.pb -o my_model/
""",
)
def export() -> None:
    """Write a model and what it is fed as files for other programs."""


@export.command(
    short_help="Write the files that CMS's reconstruction reads.",
    epilog="""\b
Examples:
  ecalwindows export cmssw inputs.yaml -o my_model/
  ecalwindows export cmssw inputs.yaml --model model.pb --strategy CascadeHighest -o my_model/
  ecalwindows export cmssw inputs.yaml --model model.onnx --dataset electrons_cmssw/ -o my_model/
""",
)
@click.argument("inputs", metavar="INPUTS.yaml")
@click.option("--model", metavar="FILE", help="The model: a frozen graph (.pb) or an ONNX file (.onnx).")
@click.option("--dataset", metavar="DATASET", help="Test vectors are of its first 100 windows. [the packaged sample]")
@click.option("--strategy", default="Cascade", show_default=True, metavar="NAME", help="From scores to superclusters.")
@click.option("--allow-unknown", is_flag=True, help="Write inputs that CMSSW does not know too.")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="The folder.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
def cmssw(inputs: str, output: str, quiet: bool, **options: Any) -> None:
    """Write the files of a model for CMSSW's supercluster producer.

    INPUTS.yaml is an input definition. Written are the three text files of inputs with CMSSW's names, the parameters of
    the producer, the model after a check of its tensors, and test vectors: windows with the tensors that CMSSW builds
    of them, for a unit test of the plugin. Inputs that CMSSW does not know are an error.
    """
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.commands.export import export_cmssw

    with warnings_shown():
        done = export_cmssw(inputs, output, **options)
    if not quiet:
        scores = " and scores" if done.has_scores else ""
        say(f"wrote {output}: {', '.join(done.files)}")
        say(f"test vectors of {done.windows} windows{scores}" if done.windows else "no test vectors")
        for name in done.unknown:
            say(f"not in CMSSW master: {name}")
