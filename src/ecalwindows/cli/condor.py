"""`ecalwindows condor`: productions with the options of the old condor_*.py scripts."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.groups import SuggestingGroup
from ecalwindows.cli.options import setting_option, with_options
from ecalwindows.cli.printing import say
from ecalwindows.core.names import counted
from ecalwindows.core.window_fields import WINDOW_FIELDS


@click.group(
    cls=SuggestingGroup,
    epilog="""\b
Examples:
  ecalwindows condor windows -i DUMPS -nfg 25 -o /eos/user/e/ecal/ndjson -a sim_fraction -q espresso -c
  ecalwindows condor awkward -i /eos/user/e/ecal/ndjson -nfg 5 -o /eos/user/e/ecal/awkward -q espresso -cf condor_awk
""",
)
def condor() -> None:
    """Productions with the options and names of the old condor_*.py scripts.

    A command lists the inputs, makes the jobs, and writes the submit files and the same production as a YAML file into
    the condor folder. The dataset is finished when the jobs are: nothing is to be run at the end.
    """


_shared_options = with_options(
    click.option("-i", "--inputdir", required=True, metavar="FOLDER", help="Inputs: a folder or a glob."),
    click.option(
        "-nfg", "--nfile-group", required=True, type=click.IntRange(min=1), metavar="N", help="Files per job."
    ),
    click.option("-o", "--outputdir", required=True, metavar="FOLDER", help="Where the outputs go."),
    click.option("-q", "--queue", required=True, metavar="FLAVOUR", help="Condor queue: espresso, longlunch, ..."),
    click.option(
        "-cf", "--condor-folder", default="condor_ndjson", show_default=True, metavar="FOLDER",
        help="Folder of plan, submit files, logs and parts; one per production.",
    ),
    click.option("--redo", is_flag=True, help="Make everything again."),
    click.option("--submit", is_flag=True, help="Submit, too."),
    click.option(
        "--accounting-group", metavar="GROUP", help="Empty: none [group_u_CMS.CAF.COMM, as the old scripts]."
    ),
)  # fmt: skip
"""The options that all of these commands have; first those of the old scripts."""


@condor.command(
    epilog="""\b
Examples:
  ecalwindows condor windows -i DUMPS -nfg 25 -o /eos/user/e/ecal/ndjson_v3 -a sim_fraction \\
      --wp-file simfraction.json -q espresso -e user --maxnocalow 4 -ov -c -cf condor_ele
  ecalwindows production submit condor_ele/production.yaml
"""
)
@_shared_options
@setting_option("assoc_strategy", required=True)
@setting_option("wp_file")
@click.option("-e", "--eos", default="user", show_default=True, metavar="NAME", help="EOS instance: user, cms, ...")
@setting_option("maxnocalow", type=click.IntRange(min=0), default=WINDOW_FIELDS["maxnocalow"].default)
@setting_option("min_et_seed", default=WINDOW_FIELDS["min_et_seed"].default)
@setting_option("mode")
@click.option("-ov", "--overlap", is_flag=True, help="The same as --mode overlapping.")
@setting_option("keep")
@setting_option("superclusters")
@setting_option("also_superclusters")
@setting_option("pu_limit", default=WINDOW_FIELDS["pu_limit"].default)
@click.option("-c", "--compress", is_flag=True, help="Write .ndjson.tar.gz.")
@click.option("-d", "--debug", is_flag=True, help="Logs state which seeds made windows, and why others did not.")
@click.option(
    "--eos-url", envvar="ECALWINDOWS_EOS_URL", show_envvar=True, metavar="URL",
    help="Server of an EOS instance; empty: EOS as it is mounted [root://eos{instance}.cern.ch].",
)  # fmt: skip
def windows(**options: Any) -> None:
    """Windows of dumper files: clusters_data_N.ndjson and clusters_data_N.meta.csv on EOS."""
    from ecalwindows.production.legacy_condor import windows_values

    _prepare(windows_values(options), options)


@condor.command(
    epilog="""\b
Examples:
  ecalwindows condor awkward -i /eos/user/e/ecal/ndjson_v3 -nfg 5 -o /eos/user/e/ecal/awkward_v3 -q espresso \\
      -f features_definition.json --flavour 11 -cf condor_awk
"""
)
@_shared_options
@click.option("-f", "--features-def", metavar="FILE", help="Features: default, seed or a JSON file [default].")
@click.option("--flavour", type=click.IntRange(0, 2**31 - 1), default=11, show_default=True, metavar="N",
              help="Flavour of all windows: 11 electrons, 22 photons.")  # fmt: skip
def awkward(**options: Any) -> None:
    """Finished windows to Parquet: records_N.parquet, with the index of the folder."""
    from ecalwindows.production.legacy_condor import awkward_values

    _prepare(awkward_values(options), options)


@condor.command(
    epilog="""\b
Examples:
  ecalwindows condor tfrecord -i /eos/user/e/ecal/ndjson_v3 -nfg 5 -tf 0.2 -o /eos/user/e/ecal/tfrecord_v3 \\
      -f 11 -q espresso -w weights.json -cf condor_tf
"""
)
@_shared_options
@click.option("-tf", "--test-fraction", required=True, type=click.FloatRange(0, 1), metavar="SHARE",
              help="Share of events that go to testing/.")  # fmt: skip
@click.option(
    "-f", "--flag", required=True, type=click.IntRange(0, 2**31 - 1), metavar="N", help="Flavour of all windows."
)
@click.option("-w", "--weights", metavar="FILE", help="Weights of windows, correctionlib JSON or ROOT [all 1].")
def tfrecord(**options: Any) -> None:
    """Finished windows to TFRecord: training/ and testing/, split by event."""
    from ecalwindows.production.legacy_condor import tfrecord_values

    _prepare(tfrecord_values(options), options)


def _prepare(values: dict[str, Any], options: dict[str, Any]) -> None:
    """Plan, submit files and YAML of a production; and the next step."""
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.cli.texts.production import shown
    from ecalwindows.production.driver import submit_production
    from ecalwindows.production.legacy_condor import write_yaml
    from ecalwindows.production.settings import production_of

    production = production_of(values, where="the options")
    with warnings_shown():
        folder, n_jobs, done = submit_production(
            production,
            mode="redo" if options["redo"] else "resume",
            dry_run=not options["submit"],
            notify=lambda line: say(line, err=True),
        )
    path = shown(write_yaml(production))
    say(f"{counted(n_jobs, 'job')}, output {shown(production.output)}")
    say(f"submit files: {shown(folder)}")
    if done is not None:
        say(f"submitted: DAG {done.cluster} of {done.schedd}")
        say(f"watch it:     ecalwindows production status {path} --watch")
    else:
        say(f"submit:       ecalwindows production submit {path}")
        say(f"or run here:  ecalwindows production run {path}")
