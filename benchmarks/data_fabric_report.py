"""What the data fabric's benchmark writes down, and the tables it makes of that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from common import print_table
from data_fabric_ground import GLOBUS
from data_fabric_run import READY_SECONDS, Passes
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

_UNITS = {'B': 1, 'kB': 1_000, 'MB': 1_000_000}


class Work(BaseModel):
    """A set of objects and what is done with it, the same for both sides.

    Attributes:
        backend: How objects travel.
        size: Size of an object, in bytes.
        objects: How many there are.
        passes: How often each is used.
        repeat: Which time it is, from 0; the side that goes first changes each time.
        engine: What runs the tasks.
        workers: How many workers run them, and how many tasks are out at a time.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    backend: str
    size: int
    objects: int
    passes: int
    repeat: int
    engine: str
    workers: int


class Cell(BaseModel):
    """What both sides did with the same work, one right after the other.

    Attributes:
        work: The work.
        scoutbee: What Scoutbee did.
        colmena: What plain Colmena did; None for a backend that it does not have.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    work: Work
    scoutbee: Passes
    colmena: Passes | None


def read_cells(file: Path) -> dict[Work, Cell]:
    """The results of a file.

    Args:
        file: JSON lines; a file that does not exist holds none, and what is no result (a half line of a run that was
            killed) is passed over.
    """
    cells = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            cell = Cell.model_validate_json(line)
        except ValidationError:
            continue
        cells[cell.work] = cell
    return cells


def parse_size(text: str) -> int:
    """A size in bytes, at least 1, that a person wrote, such as ``100kB`` or ``1.5 MB``.

    Raises:
        ValueError: If that is not what the text says.
    """
    unit = next((unit for unit in ('kB', 'MB', 'B') if text.endswith(unit)), '')
    try:
        size = Decimal(text.removesuffix(unit)) * _UNITS.get(unit, 1)
    except InvalidOperation:
        raise ValueError(f'expected a size such as 100kB, got {text!r}') from None
    if not size.is_finite() or size < 1 or size % 1:
        raise ValueError(f'expected a whole number of bytes, at least 1, got {text!r}')
    return int(size)


def size_name(size: int) -> str:
    """A size of at least one byte as ``parse_size`` reads it."""
    unit = next(unit for unit in ('MB', 'kB', 'B') if size >= _UNITS[unit])
    return f'{Decimal(size) / _UNITS[unit]:f} {unit}'


@dataclass(frozen=True)
class Later:
    """The figures of one side in the passes after the first. Seconds are medians over tasks.

    Attributes:
        task: Seconds of a task, and their 95th percentile.
        inputs: Seconds until a worker had the inputs of a task.
        ready: Share of the tasks of the second pass whose inputs were ready within ``READY_SECONDS``.
        hits: Share of the tasks that found their inputs in their worker's cache.
    """

    task: tuple[float, float]
    inputs: float
    ready: float
    hits: float


@dataclass(frozen=True)
class Figures:
    """The figures of one side over all repeats of a work. Seconds are medians over tasks or objects.

    Attributes:
        lend: Seconds to make an object available.
        task: Seconds of a task in the first pass, and their 95th percentile.
        inputs: Seconds until a worker had the inputs of a task in the first pass.
        rate: Bytes a second over all passes, making the objects available included.
        later: The other passes; None if there were none.
    """

    lend: float
    task: tuple[float, float]
    inputs: float
    rate: float
    later: Later | None


def figures(runs: Sequence[Passes], size: int) -> Figures:
    """The figures of one side.

    Args:
        runs: At least one, all of the same work.
        size: Size of an object, in bytes.
    """
    tasks = np.array([run.task_seconds for run in runs])  # repeats x passes x tasks
    inputs = np.array([run.input_seconds for run in runs])
    hits = np.array([run.hits for run in runs])
    lend = np.array([run.lend_seconds for run in runs])
    wall = np.array([run.wall_seconds for run in runs])
    later = None
    if tasks.shape[1] > 1:
        later = Later(
            task=_median_and_tail(tasks[:, 1:]),
            inputs=float(np.median(inputs[:, 1:])),
            ready=float(np.mean(inputs[:, 1] <= READY_SECONDS)),
            hits=float(np.mean(hits[:, 1:])),
        )
    return Figures(
        lend=float(np.median(lend)),
        task=_median_and_tail(tasks[:, 0]),
        inputs=float(np.median(inputs[:, 0])),
        rate=size * tasks.size / float(wall.sum() + lend.sum()),
        later=later,
    )


def report(cells: Iterable[Cell]) -> None:
    """Print the tables."""
    alike: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        alike.setdefault((cell.work.backend, cell.work.size), []).append(cell)
    pairs = [_pair(group) for group in alike.values()]
    print_table(
        'From sending a task to its result, in milliseconds: median / 95th percentile. Ratio: of medians, Scoutbee to '
        'plain Colmena.',
        ['backend', 'size', 'objects', 'first pass', 'Colmena', 'ratio', 'later', 'Colmena', 'ratio'],
        [_times_row(*pair) for pair in pairs],
    )
    print_table(
        'Medians in milliseconds: to store an object; until a worker has the inputs of a task. In %: tasks of the '
        f'second pass that have them within {READY_SECONDS:g} s; tasks of later passes that find them in the cache.',
        ['backend', 'size']
        + [
            name
            for shown in ('store', 'first inputs', 'later', 'ready', 'cached', 'MB/s')
            for name in (shown, 'Colmena')
        ],
        [_inputs_row(*pair) for pair in pairs],
    )


_Pair = tuple[Work, Figures, 'Figures | None']


def _pair(group: Sequence[Cell]) -> _Pair:
    work = group[0].work
    peers = [cell.colmena for cell in group if cell.colmena is not None]
    return work, figures([cell.scoutbee for cell in group], work.size), figures(peers, work.size) if peers else None


def _times_row(work: Work, ours: Figures, peer: Figures | None) -> list[object]:
    first = _compared(ours.task, None if peer is None else peer.task)
    later = _compared(*(None if side is None or side.later is None else side.later.task for side in (ours, peer)))
    return [_backend(work), size_name(work.size), work.objects, *first, *later]


def _compared(mine: tuple[float, float] | None, theirs: tuple[float, float] | None) -> list[str]:
    """Median and tail of both sides, and the ratio of their medians."""
    ratio = '' if mine is None or theirs is None else f'{mine[0] / theirs[0]:.2f}'
    return [*('' if side is None else ' / '.join(map(_milliseconds, side)) for side in (mine, theirs)), ratio]


def _inputs_row(work: Work, ours: Figures, peer: Figures | None) -> list[object]:
    sides = zip(_inputs(ours), _inputs(peer), strict=True)
    return [_backend(work), size_name(work.size), *(shown for both in sides for shown in both)]


def _inputs(side: Figures | None) -> list[str]:
    if side is None:
        return [''] * 6
    later = ['', '', '']
    if side.later is not None:
        later = [_milliseconds(side.later.inputs), f'{100 * side.later.ready:.0f}', f'{100 * side.later.hits:.0f}']
    return [_milliseconds(side.lend), _milliseconds(side.inputs), *later, f'{side.rate / 1e6:.3g}']


def _backend(work: Work) -> str:
    return 'globus stand-in' if work.backend == GLOBUS else work.backend


def _milliseconds(seconds: float) -> str:
    return f'{1000 * seconds:.{1 if seconds < 0.1 else 0}f}'


def _median_and_tail(seconds: NDArray[np.float64]) -> tuple[float, float]:
    return float(np.median(seconds)), float(np.quantile(seconds, 0.95))
