"""Where a run's tasks go: its site, with what the settings say otherwise."""

from __future__ import annotations

import math
from typing import Any

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.sites import Executor, Site, load_site

from .settings import Settings


def site_of(settings: Settings) -> Site:
    """The site of the settings, with the engine, the endpoints and the number of simulation workers they ask for.

    Raises:
        ConfigurationError: If there is no such site, or it does not fit the settings.
    """
    site = load_site(settings.site)
    engine = settings.engine_for(site.engine)
    executors = dict(site.executors)
    if settings.num_qc_workers is not None:
        name, executor = site.executor_for(SIMULATE)
        executors[name] = _resized(executor, settings.num_qc_workers)
    if engine == 'globus':
        executors = {name: _at_endpoint(name, executor, settings) for name, executor in executors.items()}
    changes: dict[str, Any] = {'engine': engine, 'executors': executors}
    if settings.driver_address is not None:
        changes['address'] = settings.driver_address
    return site.changed(**changes)


def _resized(executor: Executor, workers: int) -> Executor:
    """The executor with so many workers, or with as few blocks as have them."""
    if executor.provider.type == 'local':
        return executor.model_copy(update={'workers': workers})
    per_block = executor.worker_count() // executor.provider.max_blocks
    blocks = math.ceil(workers / per_block)
    provider = executor.provider.model_copy(
        update={'max_blocks': blocks, 'min_blocks': min(executor.provider.min_blocks, blocks)}
    )
    return executor.model_copy(update={'provider': provider})


def _at_endpoint(name: str, executor: Executor, settings: Settings) -> Executor:
    simulates = SIMULATE in executor.kinds
    if simulates and len(executor.kinds) > 1 and settings.qc_endpoint != settings.ml_endpoint:
        raise ConfigurationError(
            f'--qc-endpoint and --ml-endpoint: the executor {name} of this site simulates and learns, so it can be at '
            'one endpoint only; choose a site with an executor for each.'
        )
    flag, given = ('--qc-endpoint', settings.qc_endpoint) if simulates else ('--ml-endpoint', settings.ml_endpoint)
    endpoint = given or executor.endpoint
    if endpoint is None:
        raise ConfigurationError(
            f'{flag}: the engine is globus, but neither this flag nor the site says which Globus Compute endpoint runs '
            f'the executor {name}.'
        )
    return executor.model_copy(update={'endpoint': endpoint})
