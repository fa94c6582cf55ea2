"""`ecalwindows production plan`: inputs and jobs, before anything is run."""

from __future__ import annotations

import click

from ecalwindows.cli.printing import say


@click.command(
    epilog="""\b
Examples:
  ecalwindows production plan electrons.yaml
  ecalwindows production plan electrons.yaml --estimate --jobs
  ecalwindows production plan electrons.yaml --checksums -o plan.json
"""
)
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", metavar="PLAN", help="Write the plan to this file.")
@click.option("--checksums", is_flag=True, help="Read all inputs for their checksums.")
@click.option("--estimate", is_flag=True, help="Make some events of one file of each sample; guess time and output.")
@click.option("--jobs", is_flag=True, help="List all jobs with their inputs.")
def plan(file: str, output: str | None, checksums: bool, estimate: bool, jobs: bool) -> None:
    """List the inputs of a production and make its jobs. Nothing is run."""
    from pathlib import Path

    from ecalwindows.cli.texts.production import estimate_text, plan_text
    from ecalwindows.production.listing import listed_inputs
    from ecalwindows.production.plan import made_plan
    from ecalwindows.production.refusals import checked_sources
    from ecalwindows.production.settings import read_production
    from ecalwindows.production.work_folder import write_plan

    wanted = read_production(file)
    sources = checked_sources(wanted)
    made = made_plan(wanted, listed_inputs(wanted, checksums=checksums), sources)
    say(plan_text(made, jobs=jobs))
    if output is not None:
        write_plan(made, Path(output))
        say(f"written: {output}")
    if estimate:
        from ecalwindows.production.estimate import estimates

        say("\n" + estimate_text(estimates(made)))
