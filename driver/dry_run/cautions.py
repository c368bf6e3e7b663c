"""What does not go together in a run that could be started all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scoutbee.analysis.sections.formats import listed, seconds, size
from scoutbee.contracts.campaign import INFER, KINDS, SIMULATE, TRAIN
from scoutbee.fabric.payloads import LIMIT_BYTES, carried_bytes
from scoutbee.fabric.providers import BatchProvider
from scoutbee.fabric.sites import usable_cores

from .forecast import Forecast, is_loopback
from .objects import MESSAGE, largest_message


def cautions(ahead: Forecast) -> Iterator[str]:
    """Sentences about what a person should look at before the run is started.

    Args:
        ahead: What is known of the run.
    """
    checks: tuple[Callable[[Forecast], Iterator[str]], ...] = (
        _address, _cores, _accelerators, _reach, _payloads, _walltimes, _caches, _buffer, _time_limit
    )  # fmt: skip
    for check in checks:
        yield from check(ahead)


def _address(ahead: Forecast) -> Iterator[str]:
    if ahead.refusal is not None:
        yield f'On this machine the run would be refused. {ahead.refusal}'


def _cores(ahead: Forecast) -> Iterator[str]:
    if ahead.site.engine == 'globus':
        return
    there = usable_cores()
    for name, executor in ahead.site.executors.items():
        cores = executor.cores_per_machine()
        if executor.provider.type == 'local' and cores > there:
            yield (
                f'Executor {name}: its {executor.worker_count()} workers take {cores} cores, and this machine has '
                f'{there}. That is right only for tasks that wait more than they compute.'
            )


def _accelerators(ahead: Forecast) -> Iterator[str]:
    if ahead.settings.surrogate != 'mpnn':
        return
    for name, executor in ahead.site.executors.items():
        learns = {TRAIN, INFER} & set(executor.kinds)
        if learns and executor.accelerator_names() and 'KERAS_BACKEND' not in executor.env:
            yield (
                f'Executor {name}: its accelerators will stand idle, because the network runs on processors where no '
                'KERAS_BACKEND is set. Set it to tensorflow or jax (env).'
            )


def _reach(ahead: Forecast) -> Iterator[str]:
    settings, backends = ahead.settings, ahead.settings.backends()
    far = [kind for kind in KINDS if ahead.is_elsewhere(kind)]
    for backend in ('redis', 'zmq'):
        topics = [topic for topic in far if backends.get(topic) == backend]
        host = settings.redishost if backend == 'redis' and settings.redishost else ahead.site.address
        if topics and is_loopback(host):
            yield (
                f'The backend {backend} of {listed(topics)} is served on loopback alone, which workers elsewhere do '
                'not reach. Give the address of this machine (--driver-address, or address in the site)'
                + (', or a Redis server that they reach (--redishost).' if backend == 'redis' else '.')
            )
    if ahead.site.engine == 'globus' and settings.ps_file_dir is None:
        topics = [topic for topic in far if backends.get(topic) == 'file']
        if topics:
            yield (
                f'The files of {listed(topics)} go into the run directory, which the endpoints must see under the same '
                'path. Name a folder that they share with --ps-file-dir.'
            )


def _payloads(ahead: Forecast) -> Iterator[str]:
    if ahead.site.engine != 'globus':
        return
    for topic in KINDS:
        carried = carried_bytes(int(largest_message(ahead.items, topic)))
        if carried > LIMIT_BYTES:
            yield (
                f'Messages of {topic} come to {size(carried)}, and Globus Compute carries at most {size(LIMIT_BYTES)}. '
                f'Choose a --{topic}-ps-backend that the endpoint reaches, and a --ps-threshold below that.'
            )


def _walltimes(ahead: Forecast) -> Iterator[str]:
    if ahead.site.engine != 'parsl':
        return
    for name, executor in ahead.site.executors.items():
        provider = executor.provider
        if isinstance(provider, BatchProvider):
            for kind in executor.kinds:
                yield from _walltime(ahead, name, provider, kind)


def _walltime(ahead: Forecast, name: str, provider: BatchProvider, kind: str) -> Iterator[str]:
    times = ahead.times(kind)
    if times is None:
        return
    if times.longest > provider.walltime_seconds:
        yield (
            f'Executor {name}: a task of {kind} took up to {seconds(times.longest)}, longer than the walltime of '
            f'{provider.walltime}, so it would never end. Ask for more (walltime), or choose smaller tasks.'
        )
    elif times.longest > 60 * provider.drain_minutes:
        yield (
            f'Executor {name}: a task of {kind} took up to {seconds(times.longest)}, but a block takes tasks until '
            f'{seconds(60 * provider.drain_minutes)} before its end. What it has not done by then is computed again; '
            'a larger drain_minutes avoids that.'
        )


def _caches(ahead: Forecast) -> Iterator[str]:
    """Whether a worker can keep all that it will be asked about again; inputs of simulations are used but once."""
    for name, executor in ahead.site.executors.items():
        kept = sum(
            item.count * item.each
            for item in ahead.items
            if item.topic in executor.kinds and item.topic != SIMULATE and item.direction == 'in' and item.each
            and item.way not in (MESSAGE, None)
        )  # fmt: skip
        if kept > 1e6 * executor.cache_mb:
            yield (
                f'Executor {name}: what its tasks are sent in a round comes to {size(kept)}, and a worker keeps '
                f'{size(1e6 * executor.cache_mb)} (cache_mb). What it has dropped is fetched again in every round.'
            )


def _buffer(ahead: Forecast) -> Iterator[str]:
    wanted = ahead.policy.slots.simulate + (ahead.policy.prefetch or 0)
    if ahead.policy.buffer_size < wanted:
        yield (
            f'The buffer of {ahead.policy.buffer_size} is smaller than the {wanted} simulations at once, so that a '
            'ranking is used up as soon as it is made. Ask for a larger one (--buffer-size).'
        )


def _time_limit(ahead: Forecast) -> Iterator[str]:
    hours, total = ahead.policy.max_hours, ahead.total_seconds
    if hours is not None and total is not None and total > 3600 * hours:
        yield (
            f'All of it may take about {seconds(total)}, and the run ends after {hours:g} hours (--max-hours). It can '
            'be gone on with (--resume).'
        )
