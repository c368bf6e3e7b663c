"""What does it cost to bring an object to its tasks? By backend and size, beside plain Colmena and ProxyStore.

The same objects are used in several passes, as the chunks of a search space are. Scoutbee's side is the real path: the
embedded Redis server, sealed queues, an engine, a depot. The other side is Colmena's own queues and task server with
ProxyStore's own connector and cache, on the same server. The sides take turns. Results are kept in a file, a line each:
started again, the benchmark makes what is missing.

    python benchmarks/data_fabric.py --results data_fabric.jsonl
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from data_fabric_colmena import PEERS, PlainColmena
from data_fabric_ground import GLOBUS, NONE, open_ground
from data_fabric_report import Cell, Work, parse_size, read_cells, report, size_name
from data_fabric_rigs import Rig, Scoutbee
from data_fabric_run import Passes, make_objects, run_passes, warm_up

from scoutbee.fabric.stores import BACKENDS

SIZES = tuple(10**power for power in range(3, 9))
QUICK_SIZES = (1_000, 100_000)

_PASSES = 5
_OBJECTS, _QUICK_OBJECTS = 24, 3
_FEWEST = 3
_BYTES = 240_000_000
"""Most bytes in a set of objects, unless the fewest have more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = _parser().parse_args(arguments)
    wanted = list(_works(options))
    cells = read_cells(options.results)
    missing = [work for work in wanted if work not in cells]
    started = time.monotonic()
    print(f'{len(wanted) - len(missing)} of {len(wanted)} results are in {options.results}.', flush=True)
    try:
        with options.results.open('a') as file:
            if file.tell() and not options.results.read_bytes().endswith(b'\n'):
                file.write('\n')  # the half line of a run that was killed must not swallow the next
            for cell in run(missing, options.engine, options.workers):
                file.write(cell.model_dump_json() + '\n')
                file.flush()
                cells[cell.work] = cell
                work, seconds = cell.work, time.monotonic() - started
                print(f'{seconds:.0f} s: {work.backend}, {size_name(work.size)}, {work.repeat + 1}', flush=True)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    report([cells[work] for work in wanted])
    return 0


def run(missing: Sequence[Work], engine: str, workers: int) -> Iterator[Cell]:
    """Do the work; both sides of a backend run at the same time, and one of them works.

    Raises:
        RuntimeError: If a task fails.
    """
    with tempfile.TemporaryDirectory(prefix='scoutbee-fabric-') as folder:
        for backend in dict.fromkeys(work.backend for work in missing):
            with open_ground(Path(folder) / backend, engine, workers, backend) as ground, ExitStack() as stack:
                sides: list[Rig] = [stack.enter_context(Scoutbee(ground, backend))]
                if backend in PEERS:
                    sides.append(stack.enter_context(PlainColmena(ground, backend)))
                for side in sides:
                    warm_up(side, workers)
                for work in missing:
                    if work.backend == backend:
                        yield _cell(sides, work)


def _cell(sides: Sequence[Rig], work: Work) -> Cell:
    objects = make_objects(work.objects, work.size, work.repeat)
    done: dict[str, Passes] = {}
    for side in sides if work.repeat % 2 == 0 else reversed(sides):
        done[type(side).__name__] = run_passes(side, objects, work.passes, work.workers)
    return Cell(work=work, scoutbee=done[Scoutbee.__name__], colmena=done.get(PlainColmena.__name__))


def _works(options: argparse.Namespace) -> Iterator[Work]:
    most = _QUICK_OBJECTS if options.quick else _OBJECTS
    for backend in options.backends:
        stored = backend != NONE  # without a store every pass is like the first
        for size in options.sizes or (QUICK_SIZES if options.quick else SIZES):
            for repeat in range(1 if options.quick else options.repeats):
                yield Work(
                    backend=backend,
                    size=size,
                    objects=min(most, max(_FEWEST if stored else 2, (_BYTES if stored else _BYTES // 10) // size)),
                    passes=_PASSES if stored else 1,
                    repeat=repeat,
                    engine=options.engine,
                    workers=options.workers,
                )


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    known = (NONE, *BACKENDS)
    real = [backend for backend in known if backend != GLOBUS]
    parser.add_argument(
        '--backends', nargs='+', choices=known, default=real, help='which, in this order (all but globus, a stand-in)'
    )
    parser.add_argument('--sizes', nargs='+', type=_size, help='sizes of objects (1kB 10kB 100kB 1MB 10MB 100MB)')
    parser.add_argument('--engine', choices=('local', 'parsl'), default='local', help='what runs the tasks (local)')
    parser.add_argument('--workers', type=int, default=2, help='workers, and tasks that are out at a time (2)')
    parser.add_argument('--repeats', type=int, default=2, help='times each work is done, the sides taking turns (2)')
    parser.add_argument(
        '--results', type=Path, default=Path('data_fabric.jsonl'), help='file of results (data_fabric.jsonl)'
    )
    parser.add_argument('--quick', action='store_true', help='few and small objects, to see whether it works')
    return parser


if __name__ == '__main__':
    sys.exit(main())
