"""What every job of a production, or its end, would refuse: found when the plan is made, not after hours of work."""

from __future__ import annotations

from ecalwindows.core.errors import SettingsError
from ecalwindows.core.working_points import read_working_points
from ecalwindows.dataset.finalizing.description import stated_fields
from ecalwindows.dataset.finalizing.identity import IDS
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.weights import read_weights
from ecalwindows.production.finalizing import about_of, target_of
from ecalwindows.production.listing import read_sources
from ecalwindows.production.plan import Source
from ecalwindows.production.settings import Production


def checked_sources(production: Production) -> list[Source]:
    """The files that decide content, read as jobs read them, with their checksums.

    Raises the error of a file that cannot be used (working points, weights, features definition), SettingsError for
    settings that cannot be finalized.
    """
    sources = read_sources(production)
    settings = [production.settings_of(sample) for sample in production.samples]
    for path, strategy in dict.fromkeys((each.wp_file, each.assoc_strategy) for each in settings):
        read_working_points(path, strategy)
    if production.weights is not None:
        read_weights(production.weights)
    _check_features(production)
    _check_description(production)
    return sources


def _check_features(production: Production) -> None:
    """Splits need columns that say which event a window is of."""
    missing = [name for name in IDS if name not in features_definition(production.features_def).wanted]
    if missing and production.splits and "parquet" in production.formats:
        raise SettingsError(
            f"the features definition has no {', '.join(missing)}", expected="these columns, to split by event",
            where=f"features_def: {production.features_def}", todo="add them to it, or leave splits out",
        )  # fmt: skip


def _check_description(production: Production) -> None:
    """Version and datasets of origin, as they go into the record."""
    try:
        stated_fields(about_of(production), target_of(production), None)
    except SettingsError as error:
        raise SettingsError(
            error.found, expected=error.expected, where=f"the production's {error.where.strip('-').replace('-', '_')}",
            todo="correct it in the YAML file",
        ) from error  # fmt: skip
