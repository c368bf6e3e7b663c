"""A site as text: who works there, what its batch system is asked for, and how its parts reach each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scoutbee.analysis.sections.formats import plural, size
from scoutbee.fabric.own_address import LOOPBACK
from scoutbee.fabric.providers import BatchProvider
from scoutbee.fabric.sites import Executor

from ..run_directory import run_name
from .forecast import Forecast, is_loopback

_SCRIPT_INDENT = '    '


def executors(ahead: Forecast) -> Iterator[str]:
    """The site, and each group of its workers."""
    site = ahead.site
    described = f': {site.description}' if site.description else ''
    yield f'{ahead.settings.site}, engine {site.engine}{described}'
    for name, executor in site.executors.items():
        yield '; '.join(
            [f'executor {name} for {", ".join(executor.kinds)}: {_workers(executor)}', *_facts(ahead, executor)]
        )


def _workers(executor: Executor) -> str:
    total = plural(executor.worker_count(), 'worker')
    provider = executor.provider
    if isinstance(provider, BatchProvider):
        return (
            f'{total} at most = {executor.workers_per_machine()} a node x {provider.nodes_per_block} a block x '
            f'{plural(provider.max_blocks, "block")}'
        )
    return total


def _facts(ahead: Forecast, executor: Executor) -> Iterator[str]:
    provider = executor.provider
    if ahead.site.engine == 'globus':
        yield f'at the Globus Compute endpoint {executor.endpoint}'
    elif isinstance(provider, BatchProvider):
        batch = {'slurm': 'Slurm', 'pbspro': 'PBS Pro'}[provider.type]
        yield f'nodes from {batch} for {provider.walltime}, no new task in their last {provider.drain_minutes:g} min'
    else:
        yield 'on this machine'
    names = executor.accelerator_names()
    if names:
        yield f'{plural(len(names), "accelerator")} a machine, one for each worker'
    yield f'a worker keeps up to {size(1e6 * executor.cache_mb)} for later tasks'


def at_once(ahead: Forecast) -> Iterator[str]:
    """How many tasks of each kind there are at once."""
    slots = ahead.policy.slots
    reserve = f', {slots.reserve} more in reserve' if slots.reserve else ''
    queued = f', {ahead.policy.prefetch} more queued' if ahead.policy.prefetch else ''
    shared = ', taking turns on the same workers' if ahead.policy.share_learners else ''
    yield (
        f'at once: {plural(slots.simulate, "simulation")}{queued}{reserve}; {plural(slots.train, "training")} and '
        f'{plural(slots.infer, "inference task")}{shared}'
    )


def network(ahead: Forecast) -> Iterator[str]:
    """Where the queues are, and where what listens here can be reached."""
    settings, address = ahead.settings, ahead.site.address
    here = 'loopback' if is_loopback(address) else f'loopback and {address}'
    if settings.redishost is None:
        yield f'queues: a Redis server of its own, on {here}, with a password made for this run'
    else:
        yield f'queues: the Redis server at {settings.redishost}:{settings.redisport}'
    if ahead.site.engine == 'parsl':
        yield f'task channel: Parsl, encrypted, on {address or "loopback"}; its ports are chosen as it starts'
    elif ahead.site.engine == 'globus':
        yield 'task channel: the Globus Compute service, to which this machine and the endpoints connect'


def job_scripts(ahead: Forecast) -> Iterator[str]:
    """What the batch system would be given for a block of each executor."""
    site, settings = ahead.site, ahead.settings
    batch = [name for name, executor in site.executors.items() if isinstance(executor.provider, BatchProvider)]
    if site.engine != 'parsl' or not batch:
        return
    from scoutbee.fabric.engines.job_scripts import job_script  # with it come Colmena, ProxyStore and Parsl

    stands_for = 'PORT and TIME stand for what is known only later'
    if ahead.refusal is not None:
        site = site.model_copy(update={'address': LOOPBACK})
        stands_for += f', {LOOPBACK} for the address, which this machine does not have'
    yield f'({stands_for})'
    run_dir: Path = settings.resume or settings.runs_dir / run_name(settings, 'TIME')
    for name in batch:
        script = job_script(site, name, run_dir / 'engine')
        if script is not None:
            yield f'of executor {name}:'
            yield from (f'{_SCRIPT_INDENT}{line}' for line in script.rstrip().splitlines())
