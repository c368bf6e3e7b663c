"""From settings to a campaign: the one place that knows which setting means what to which campaign."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from scoutbee.campaigns.options import AckleyLearning, AckleyOptions, LearningOptions, MoleculesOptions
from scoutbee.campaigns.registry import make_campaign
from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN, Campaign
from scoutbee.contracts.errors import ConfigurationError

from .placement import site_of
from .settings import Settings

Report = Callable[[str], None]


def build_campaign(settings: Settings, cache_dir: Path, report: Report) -> Campaign:
    """Read what the campaign needs and make it ready.

    Args:
        settings: The settings of the run.
        cache_dir: Where features of search spaces are kept from run to run.
        report: Told, in sentences, what came of reading and what takes long.

    Raises:
        ConfigurationError: If a setting or a file cannot be used.
    """
    return make_campaign(settings.campaign, campaign_options(settings), cache_dir, report)


def cache_directory() -> Path:
    """Where what is slow to compute is kept from run to run."""
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'scoutbee'


def campaign_options(settings: Settings) -> BaseModel:
    """What the settings say to the campaign: options of the type its entry in ``CAMPAIGNS`` names.

    Raises:
        ConfigurationError: If a setting that it needs is not given.
    """
    return _OPTIONS[settings.campaign](settings)


def _molecules(settings: Settings) -> MoleculesOptions:
    space = settings.file('search_space')
    if space is None:
        raise ConfigurationError(
            '--search-space (search_space in YAML): expected a file of molecules (.smi or .csv), got nothing.'
        )
    return MoleculesOptions(
        search_space=space,
        training_set=settings.file('training_set'),
        value_column=settings.molecules.value_column,
        qc_specification=settings.qc_specification,
        threshold=settings.molecules.threshold_ev,
        models=settings.mpnn_model_path,
        learning=LearningOptions(**_learning(settings)),
    )


def _ackley(settings: Settings) -> AckleyOptions:
    section = settings.ackley
    return AckleyOptions(
        points=section.points,
        dimensions=section.dimension,
        bound=section.bound,
        delay_log_mean=section.delay_log_mean,
        delay_log_std=section.delay_log_std,
        delay_scale=section.delay_scale,
        learning=AckleyLearning(**_learning(settings)),
    )


_OPTIONS: Mapping[str, Callable[[Settings], BaseModel]] = {'molecules': _molecules, 'ackley': _ackley}


def preloads(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """Modules that workers import as they start, by kind of task, so that no first task waits for them."""
    learning = ('scoutbee.models.tasks', *_LIBRARIES[settings.surrogate])
    simulating = ('scoutbee.simulation.xtb', 'scoutbee.simulation.molecule') if settings.campaign == 'molecules' else ()
    return {SIMULATE: simulating, TRAIN: learning, INFER: learning}


_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    'mpnn': ('scipy.sparse', 'threadpoolctl'),
    'environments': (),
    'fingerprint': ('scipy.sparse.linalg',),
    'gaussian_process': ('sklearn.gaussian_process',),
}
"""What each surrogate imports when it is first used."""


def _learning(settings: Settings) -> dict[str, Any]:
    """How to learn and choose; the same settings for every campaign over a fixed search space."""
    flags = {'learning_rate': settings.learning_rate, 'num_epochs': settings.num_epochs}
    given = {name: value for name, value in flags.items() if value is not None}
    return {
        'surrogate': settings.surrogate,
        'surrogate_settings': {**(given if settings.surrogate == 'mpnn' else {}), **settings.model},
        'model_count': settings.model_count,
        'warm_start': settings.warm_start,
        'acquisition': settings.acquisition,
        'beta': settings.beta,
        'candidates_per_task': settings.molecules_per_ml_task,
        'features_by_file': site_of(settings).sees_driver_files(INFER),
        'seed': settings.seed,
    }
