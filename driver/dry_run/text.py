"""A forecast as text for a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from scoutbee.analysis.sections.formats import listed, plural, seconds, size
from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN
from scoutbee.contracts.policy import SlotMove

from ..run_directory import run_name
from ..settings import Settings
from .cautions import cautions
from .forecast import Forecast, forecast
from .objects import MESSAGE, Item
from .rounds import Rounds
from .site_text import at_once, executors, job_scripts, network
from .unknowns import unknowns

_WIDTH = 98
_INDENT = '  '


def describe(settings: Settings) -> str:
    """What would happen, as text; nothing is started or written.

    Args:
        settings: The settings of the run, checked.

    Raises:
        ConfigurationError: If the site, a file or a setting cannot be used, or they do not fit each other.
    """
    ahead = forecast(settings)
    scripts = job_scripts(ahead)
    sections: dict[str, Iterable[str]] = {
        'Campaign': _folded(_campaign(ahead)),
        'Site': _folded([*executors(ahead), *at_once(ahead), *network(ahead)]),
        'Files': _folded(_files(ahead)),
        'Steering': _folded(_steering(ahead)),
        'Tasks and bytes of a round': [*_folded(_tasks(ahead)), *_objects(ahead)],
        'Time, roughly': _folded(_time(ahead)),
        'Job scripts': scripts,
        'To look at before it is started': _points(cautions(ahead)),
        'What this cannot know': _points(unknowns(ahead)),
    }
    lines = ['Nothing is started. This run would do the following.']
    for heading, content in sections.items():
        told = list(content)
        if told:
            lines += ['', heading, *(f'{_INDENT}{line}'.rstrip() for line in told)]
    return '\n'.join(lines)


def _folded(sentences: Iterable[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from textwrap.wrap(
            sentence, _WIDTH - len(_INDENT), subsequent_indent='    ', break_long_words=False, break_on_hyphens=False
        )


def _points(sentences: Iterable[str]) -> Iterator[str]:
    return (line if line.startswith(' ') else f'- {line}' for line in _folded(sentences))


def _campaign(ahead: Forecast) -> Iterator[str]:
    settings = ahead.settings
    wanted = plural(settings.search_size, 'simulation')
    yield f'{settings.campaign}, until {wanted} succeeded; seed {settings.seed}'
    if settings.resume is not None:
        yield f'goes on with the run in {settings.resume}, which has {ahead.done:,} of them'


def _files(ahead: Forecast) -> Iterator[str]:
    settings, space = ahead.settings, ahead.space
    if settings.resume is None:
        yield f'run directory: {settings.runs_dir / run_name(settings, "TIME")}'
    held = {'search space': '', 'training set': ''}
    if space is not None:
        held['search space'] = f': {plural(space.candidates, "candidate" if space.is_read else "line")}'
        held['training set'] = f': {plural(space.known, "known value")}'
    for title, path in (
        ('search space', settings.file('search_space')),
        ('training set', settings.file('training_set')),
        ('models to start from', settings.mpnn_model_path),
    ):
        if path is not None:
            weight = f' ({size(path.stat().st_size)})' if path.is_file() else ''
            yield f'{title}: {path}{weight}{held.get(title, "")}'
    if 'file' in settings.backends().values():
        yield f'objects of the file backend: in {settings.ps_file_dir or "the run directory"}'


def _steering(ahead: Forecast) -> Iterator[str]:
    settings, policy = ahead.settings, ahead.policy
    beta = f' with beta {settings.beta:g}' if settings.acquisition == 'ucb' else ''
    paused = {'none': 'nothing pauses', 'refill': 'the buffer is not refilled', 'launch': 'no simulation is launched'}
    yield (
        f'{settings.surrogate}, {plural(settings.model_count, "model")}; ranked by {settings.acquisition}{beta}, after '
        f'each {policy.rerank}; a buffer of {policy.buffer_size}'
    )
    yield f'while models are updated {paused[policy.pause_during_update]}'
    yield from map(_move, policy.slot_moves)
    if policy.max_hours is not None:
        yield f'ends after {policy.max_hours:g} hours at the latest'


def _move(move: SlotMove) -> str:
    when = {'training': 'training round', 'trained': 'trained ensemble', 'ranking': 'ranking'}[move.on]
    which = f'{when} number {move.nth}' if move.nth is not None else f'every {when}'
    return f'at {which}, {plural(move.count, "slot")} move from {move.source} to {move.target}'


def _tasks(ahead: Forecast) -> Iterator[str]:
    rounds = ahead.rounds
    if rounds is None:
        yield f'trained after every {plural(ahead.policy.retrain_frequency, "observation")}'
        return
    begin = 'trained'
    if rounds.is_first_at_once:
        models_given = ahead.settings.mpnn_model_path is not None
        begin = 'the given models are asked at once; trained' if models_given else 'trained at once, and'
    when = f'{begin} after every {plural(rounds.between, "observation")}'
    yield f'{when}: {plural(rounds.count, "training round")}, or fewer where an update takes long'
    chunks = plural(rounds.chunks, 'chunk')
    yield (
        f'{plural(rounds.between, "simulation")}; {plural(rounds.members, "training")}; '
        f'up to {plural(rounds.questions, "inference task")} ({plural(rounds.members, "model")} x {chunks} of up to '
        f'{rounds.chunk_size:,} candidates, models together)'
    )


def _objects(ahead: Forecast) -> Iterator[str]:
    """A table of what travels, and what its columns mean."""
    if not ahead.items:
        return
    yield ''
    yield f'{"topic":9} {"object":26} {"number":>7} {"each":>9} {"in all":>9}  by'
    for item in ahead.items:
        yield f'{item.topic:9} {item.name:26} {item.count:>7,} {_each(item)} {_all(item)}  {_way(ahead, item)}'
    yield ''
    stored = [item for item in ahead.items if item.way not in (MESSAGE, None)]
    yield from _folded(_stored(ahead, stored))


def _each(item: Item) -> str:
    about = '~' if item.is_estimate else ''
    return f'{"?" if item.each is None else about + size(item.each):>9}'


def _all(item: Item) -> str:
    about = '~' if item.is_estimate else ''
    return f'{"?" if item.each is None else about + size(item.count * item.each):>9}'


def _way(ahead: Forecast, item: Item) -> str:
    if item.way is None:
        return f'{ahead.settings.backends()[item.topic]} from {ahead.settings.thresholds()[item.topic]:,} bytes'
    if item.way == MESSAGE:
        return 'their task'
    return f'{item.way}, once for the campaign' if item.once else item.way


def _stored(ahead: Forecast, stored: list[Item]) -> Iterator[str]:
    backends, thresholds = ahead.settings.backends(), ahead.settings.thresholds()
    if not backends:
        yield 'All objects travel with their tasks.'
        return
    limits = {thresholds[topic] for topic in backends}
    told = [f'{thresholds[topic]:,} ({topic})' for topic in backends] if len(limits) > 1 else [f'{min(limits):,}']
    first = sum(item.count * (item.each or 0) for item in stored)
    later = sum(item.count * (item.each or 0) for item in stored if not item.once)
    yield (
        f'Through stores go objects from {listed(told)} bytes on: {size(first)} in the first round, {size(later)} in '
        'each later one. Each worker fetches what it needs once, and keeps it while its cache has room.'
    )


def _scale(rounds: Rounds) -> str:
    return f', scaled to one model and {rounds.chunk_size:,} candidates'


def _time(ahead: Forecast) -> Iterator[str]:
    earlier = ahead.earlier
    if earlier is None:
        return
    yield f'Task times are those of {earlier.path.name} at the site {earlier.site}:'
    for kind in (SIMULATE, TRAIN, INFER):
        times = ahead.times(kind)
        if times is not None:
            yield (
                f'{kind}: median {seconds(times.median)}, mean {seconds(times.mean)}, longest '
                f'{seconds(times.longest)}; of {plural(times.count, "task")}'
                + (_scale(ahead.rounds) if kind == INFER and ahead.rounds else '')
            )
    if ahead.simulating_seconds is not None and ahead.rounds is not None:
        slots = plural(ahead.policy.slots.simulate, 'worker')
        yield f'{plural(ahead.rounds.between, "simulation")} on {slots}: {seconds(ahead.simulating_seconds)}'
    if ahead.updating_seconds is not None:
        yield f'an update, from training to the last prediction: {seconds(ahead.updating_seconds)}'
    if ahead.total_seconds is not None:
        yield f'all that is ahead: {seconds(ahead.total_seconds)}'
