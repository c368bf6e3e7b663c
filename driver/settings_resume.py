"""Which settings a run may be gone on with that differ from those it began with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .settings import Settings
from .settings_layers import FLAGS_ONLY, PARAMS_FILE, build, file_layer, title

_WHERE = (
    'runs_dir', 'site', 'engine', 'num_qc_workers', 'nodes_per_task', 'ml_endpoint', 'qc_endpoint',
    'redishost', 'redisport', 'redis_patience', 'driver_address',
    'no_proxystore', 'simulate_ps_backend', 'infer_ps_backend', 'train_ps_backend',
    'ps_threshold', 'ps_file_dir', 'ps_globus_config', 'ps_endpoints',
)  # fmt: skip
"""Where tasks run and how their bytes travel: nothing of it is in what they return."""

_HOW_LONG = ('search_size', 'max_hours')

_POLICY = (
    'prefetch', 'slots', 'simulation_retries', 'learning_retries', 'deadlines', 'deadline_retries', 'worker_kills',
    'losses', 'failed_updates', 'failure_share', 'failure_minimum', 'simulation_lease', 'learning_lease', 'roll_call',
    'straggler', 'speculate', 'grace',
)  # fmt: skip
"""How many workers there are, and what is done about trouble."""

RESUME_MAY_CHANGE = frozenset({*FLAGS_ONLY, *_WHERE, *_HOW_LONG, *(f'policy.{name}' for name in _POLICY)})
"""Settings that may differ when a run is gone on with, by their place in YAML.

With any other, what is recorded (candidates, models, rankings) would have come out differently: the run would be two.
"""


def check_resume(settings: Settings) -> Iterator[str]:
    """Say what keeps a run from being gone on with under these settings; nothing for a new run.

    Args:
        settings: The settings, with those of the run below them.

    Raises:
        ConfigurationError: If the settings of the run cannot be read.
    """
    if settings.resume is None:
        return
    before = build([file_layer(settings.resume / PARAMS_FILE, '--resume')])
    for place, old, new in _changes(before, settings):
        if place not in RESUME_MAY_CHANGE:
            yield (
                f'{title(tuple(place.split(".")))}: expected {old!r}, with which this run began, got {new!r}; what is '
                'recorded was decided under the old value. Start a new run to change it.'
            )
    if settings.search_size < before.search_size:
        yield (
            f'{title("search_size")}: expected at least {before.search_size}, with which this run began, '
            f'got {settings.search_size}.'
        )


def _changes(before: Settings, after: Settings) -> Iterator[tuple[str, Any, Any]]:
    """Place, old and new value of every setting that differs; of the policy, each of its settings by itself."""
    for name in type(after).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        if name == 'policy':
            for part in type(new).model_fields:
                if getattr(old, part) != getattr(new, part):
                    yield f'policy.{part}', getattr(old, part), getattr(new, part)
        else:
            yield name, old, new
