"""What there is to search, told from the settings and their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scoutbee.campaigns.molecules import VALUE_COLUMNS
from scoutbee.campaigns.options import AckleyOptions, MoleculesOptions
from scoutbee.campaigns.survey import Survey, survey_molecules
from scoutbee.models.registry import make_surrogate

_COORDINATE_BYTES = 8


def survey_space(campaign: str, options: Any, cache_dir: Path) -> Survey | None:
    """Look at the search space of a campaign without making it ready; nothing is written.

    Args:
        campaign: Name of the campaign.
        options: Its options.
        cache_dir: Where features of search spaces are kept from run to run.

    Returns:
        What it holds; None for a campaign of which nothing can be told beforehand.

    Raises:
        ConfigurationError: If a setting or a file cannot be used.
    """
    surveyor = SURVEYORS.get(campaign)
    return None if surveyor is None else surveyor(options, cache_dir)


def _molecules(options: MoleculesOptions, cache_dir: Path) -> Survey:
    featurizer = make_surrogate(options.learning.surrogate, options.learning.surrogate_settings).featurizer
    column = options.value_column or VALUE_COLUMNS[options.qc_specification]
    return survey_molecules(options.search_space, options.training_set, column, featurizer, cache_dir)


def _ackley(options: AckleyOptions, cache_dir: Path) -> Survey:
    return Survey(options.points, 0, _COORDINATE_BYTES * options.dimensions, coordinates=options.dimensions)


SURVEYORS: Mapping[str, Callable[[Any, Path], Survey]] = {'molecules': _molecules, 'ackley': _ackley}
"""What looks at the search space of each campaign; nothing is told of one that is not here."""
