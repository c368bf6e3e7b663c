"""What a run would do, told from its settings and its site; nothing is started or written."""

from __future__ import annotations

import math
from collections.abc import Iterator

from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.policy import Policy, SlotMove

from .run_directory import run_name
from .settings import Settings


def describe(settings: Settings) -> str:
    """What would happen, as text.

    Args:
        settings: The settings of the run, checked.

    Raises:
        ConfigurationError: If the site cannot be used, or does not fit the settings.
    """
    from scoutbee.fabric.sites import load_site

    site = load_site(settings.site)
    policy = settings.policy_for({kind: site.workers(kind) for kind in KINDS})
    parts = {
        'Campaign': _campaign(settings),
        'Site': _site(settings, settings.engine_for(site.engine), policy),
        'Files': _files(settings),
        'Steering': _steering(settings, policy),
        'Objects': _objects(settings),
    }
    lines = ['Nothing is started. This run would do the following.']
    for heading, content in parts.items():
        lines += ['', heading, *(f'  {line}' for line in content)]
    return '\n'.join(lines)


def _campaign(settings: Settings) -> Iterator[str]:
    yield f'{settings.campaign}, until {_count(settings.search_size, "simulation")} succeeded; seed {settings.seed}'
    if settings.resume is not None:
        yield f'goes on with the run in {settings.resume}'


def _site(settings: Settings, engine: str, policy: Policy) -> Iterator[str]:
    slots = policy.slots
    yield f'{settings.site}, engine {engine}'
    yield f'simulate: {_count(slots.simulate, "task")} at once, {slots.reserve} more in reserve'
    yield f'train: {_count(slots.train, "task")} at once; infer: {slots.infer}'
    if settings.redishost is None:
        yield 'queues: a Redis server of its own, on loopback, with a password made for this run'
    else:
        yield f'queues: the Redis server at {settings.redishost}:{settings.redisport}'


def _files(settings: Settings) -> Iterator[str]:
    if settings.resume is None:
        yield f'run directory: {settings.runs_dir / run_name(settings, "TIME")}'
    for title, path in (
        ('search space', settings.file('search_space')),
        ('training set', settings.file('training_set')),
        ('models to start from', settings.mpnn_model_path),
    ):
        if path is not None:
            yield f'{title}: {path}' + (f', {path.stat().st_size:,} bytes' if path.is_file() else '')


def _steering(settings: Settings, policy: Policy) -> Iterator[str]:
    rounds = math.ceil(policy.search_size / policy.retrain_frequency) - 1
    yield (
        f'{settings.surrogate}, {_count(settings.model_count, "model")}, trained after every '
        f'{_count(policy.retrain_frequency, "observation")}: about {_count(rounds, "time")}'
    )
    beta = f' with beta {settings.beta:g}' if settings.acquisition == 'ucb' else ''
    yield f'ranked by {settings.acquisition}{beta}, after each {policy.rerank}; a buffer of {policy.buffer_size}'
    paused = {'none': 'nothing pauses', 'refill': 'the buffer is not refilled', 'launch': 'no simulation is launched'}
    yield f'while models are updated {paused[policy.pause_during_update]}'
    yield from map(_move, policy.slot_moves)
    if policy.max_hours is not None:
        yield f'ends after {policy.max_hours:g} hours at the latest'


def _move(move: SlotMove) -> str:
    when = {'training': 'training round', 'trained': 'trained ensemble', 'ranking': 'ranking'}[move.on]
    which = f'{when} number {move.nth}' if move.nth is not None else f'every {when}'
    return f'at {which}, {_count(move.count, "slot")} move from {move.source} to {move.target}'


def _objects(settings: Settings) -> Iterator[str]:
    backends, thresholds = settings.backends(), settings.thresholds()
    if not backends:
        yield 'all objects travel with their tasks'
    for topic, backend in backends.items():
        yield f'{topic}: by {backend} from {thresholds[topic]:,} bytes'


def _count(number: int, noun: str) -> str:
    """A number and what it counts: ``1 task``, ``2 tasks``."""
    return f'{number:,} {noun}' if number == 1 else f'{number:,} {noun}s'
