"""Campaigns in processes of their own, which die at a chosen write."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from scoutbee.agents.thinker import Thinker
from scoutbee.contracts.campaign import Campaign
from scoutbee.contracts.learning import TrainedModel
from scoutbee.contracts.policy import Policy
from scoutbee.driver.shelf import PREDICTIONS_FOLDER, RunShelf
from scoutbee.traces import writer
from scoutbee.traces.ledger_file import LedgerFile
from scoutbee.traces.replay import replay
from scoutbee.traces.writer import TraceWriter

from .depot import CountingDepot
from .queues import ThreadQueues
from .server import ThreadTaskServer

DEATH = 86
"""Exit status of a process that died at its write."""

Where = Literal['before', 'middle', 'after']


@dataclass(frozen=True)
class Death:
    """When to die: at the ``write``-th write, from 1, before it, with half of it done, or after it."""

    write: int
    where: Where


@dataclass(frozen=True)
class Errand:
    """A campaign to run on a run directory, to its end or to its death.

    Attributes:
        run_dir: The run directory; if it holds a ledger, the run is resumed.
        campaign: Makes the campaign; importable, for it crosses to another process.
        policy: How the agents behave.
        death: When to die, if at all.
        workers: Threads that run tasks.
    """

    run_dir: Path
    campaign: Callable[[], Campaign]
    policy: Policy
    death: Death | None = None
    workers: int = 1


@dataclass(frozen=True)
class Ending:
    """How an errand ended: with exit status 0 if the campaign was completed, ``DEATH`` if it died as told."""

    status: int | None
    writes: int


def run_apart(errands: Sequence[Errand], at_once: int = 4, timeout: float = 60.0) -> list[Ending]:
    """Run campaigns in processes of their own, some at once.

    The processes are forked from a server that holds no thread and has imported everything. All are looked after by the
    calling thread: what `multiprocessing` knows of its children is not for several.

    Args:
        errands: The campaigns.
        at_once: How many processes to have at once; they mostly wait.
        timeout: Seconds that each may take.

    Raises:
        TimeoutError: If one did not end in time; it is killed then.
    """
    endings: list[Ending] = []
    for first in range(0, len(errands), at_once):
        begun = [(errand, *_begin(errand)) for errand in errands[first : first + at_once]]
        endings += [_finish(*each, timeout) for each in begun]
    return endings


def _begin(errand: Errand) -> tuple[BaseProcess, Any]:
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__])
    writes = context.Value('q', 0)
    process = context.Process(target=_run, args=(errand, writes))
    process.start()
    return process, writes


def _finish(errand: Errand, process: BaseProcess, writes: Any, timeout: float) -> Ending:
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f'Expected the campaign in {errand.run_dir} to end within {timeout:g} s.')
    return Ending(process.exitcode, writes.value)


class _Fate:
    """Counts writes, and dies at one of them."""

    def __init__(self, death: Death | None, writes: Any) -> None:
        self._death = death
        self._writes = writes
        self._lock = threading.Lock()

    def meet(self, write: Callable[[], Any], half: Callable[[], object]) -> Any:
        """Do a write, or die at it; ``half`` does the first half of it. No other write is done meanwhile."""
        with self._lock:
            self._writes.value += 1
            where = self._death.where if self._death is not None and self._death.write == self._writes.value else None
            if where == 'before':
                os._exit(DEATH)
            if where == 'middle':
                half()
                os._exit(DEATH)
            written = write()
            if where == 'after':
                os._exit(DEATH)
            return written


class _MortalLedgerFile(LedgerFile):
    fate: _Fate

    def append(self, line: bytes, *, sync: bool) -> None:
        def half() -> None:
            with self.path.open('ab') as file:
                file.write(line[: len(line) // 2])

        self.fate.meet(lambda: super(_MortalLedgerFile, self).append(line, sync=sync), half)


class _MortalShelf(RunShelf):
    def __init__(self, run_dir: Path, fate: _Fate) -> None:
        super().__init__(run_dir)
        self._root = run_dir
        self._fate = fate

    def save(self, model: TrainedModel) -> str:
        def half() -> None:
            # What a process leaves that dies before it puts the whole file in place.
            self._append_garbage(f'models/.{model.version}.npz.draft')

        file: str = self._fate.meet(lambda: super(_MortalShelf, self).save(model), half)
        return file

    def keep(self, generation: int, values: NDArray[Any]) -> tuple[str, int]:
        def half() -> None:
            self._append_garbage(f'{PREDICTIONS_FOLDER}/g{generation}.npy')

        place: tuple[str, int] = self._fate.meet(lambda: super(_MortalShelf, self).keep(generation, values), half)
        return place

    def _append_garbage(self, name: str) -> None:
        path = self._root / name
        path.parent.mkdir(exist_ok=True)
        with path.open('ab') as file:
            file.write(b'\x93NUMPY\x01\x00 and half of the')


def _run(errand: Errand, writes: Any) -> None:
    fate = _Fate(errand.death, writes)
    _MortalLedgerFile.fate = fate
    setattr(writer, LedgerFile.__name__, _MortalLedgerFile)  # for the writer of this process, and no other
    campaign, queues = errand.campaign(), ThreadQueues()
    history = replay(errand.run_dir) if errand.run_dir.exists() else None
    with TraceWriter(errand.run_dir) as traces, ThreadTaskServer(queues, campaign.tasks(), errand.workers):
        shelf = _MortalShelf(errand.run_dir, fate)
        thinker = Thinker(queues, campaign, errand.policy, traces, CountingDepot(), shelf)
        if history is not None:
            thinker.resume(history)
        thinker.start()
        thinker.join()
        assert thinker.outcome is not None
    os._exit(0 if thinker.outcome.status == 'completed' else 1)
