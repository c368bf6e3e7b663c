"""When Parsl's executors start: on a machine that all share, those that simulate first, so that they have its cores."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..hosted import run_bundle, warm_hosted
from ..providers import LocalProvider
from ..sites import Site
from .parsl_blocks import BlockExecutor
from .parsl_bundles import Bundles, Call

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 20.0
"""How long executors wait for the workers of those before them, which may never be ready."""


@dataclass(frozen=True)
class WorkerCounts:
    """How many workers an executor has.

    Attributes:
        all: With as many machines as there may be at once.
        early: Those that are started before there are tasks for them: none on nodes of a batch system, which would
            all be asked for at once, whatever the work is.
    """

    all: int
    early: int


def split_starts(site: Site, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which executors of a site start at once, and which when the workers of those are ready.

    Args:
        site: The site.
        labels: Names of those that are used, the most urgent one first.
    """
    is_here = {label: isinstance(site.executors[label].provider, LocalProvider) for label in labels}
    later = [label for label in labels[1:] if is_here[labels[0]] and is_here[label]]
    return [label for label in labels if label not in later], later


class Line:
    """One of Parsl's executors and what it is to run, which waits until it has been started.

    Attributes:
        executor: The executor.
        label: Its name.
    """

    def __init__(self, executor: BlockExecutor, packed: bytes, counts: WorkerCounts) -> None:
        """Begin with no task.

        Args:
            executor: The executor, which may not have been started.
            packed: Its workers, from ``hosted.pack_settings``.
            counts: How many they are.
        """
        self.executor = executor
        self.label: str = executor.label
        self._packed = packed
        self._counts = counts
        self._lock = threading.Lock()
        self._bundles: Bundles | None = None
        self._waiting: list[Call] = []

    def add(self, call: Call) -> None:
        """Run a task, as soon as the executor can."""
        with self._lock:
            if self._bundles is None:
                self._waiting.append(call)
                return
        self._bundles.add(call)

    def open(self) -> list[Future[Any]]:
        """Have the executor, which has been started, run what waits; returns what tells that each worker is warm."""
        submit = self.executor.submit
        warm = [submit(warm_hosted, {}, self._packed) for _ in range(self._counts.early)]  # idle ones take one each
        for future in warm:
            future.add_done_callback(partial(_log_warmth, self.label))
        bundles = Bundles(partial(submit, run_bundle, {}, self._packed), self._counts.all)
        with self._lock:
            for call in self._waiting:
                bundles.add(call)
            self._waiting.clear()
            self._bundles = bundles
        return warm


class LateStart:
    """Starts executors when the workers of those before them are ready, or were not for long enough.

    It does so in a thread of its own, which stays: the kernel kills an interchange with the thread that started it.

    Attributes:
        error: What kept one from starting; None while nothing has.
    """

    def __init__(self, start: Callable[[], None], after: Sequence[Future[Any]]) -> None:
        """Begin to wait.

        Args:
            start: Starts the executors.
            after: What tells that a worker of those before is ready, or cannot be made so.
        """
        self.error: Exception | None = None
        self._start = start
        self._left = len(after)
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._is_over = False
        self._settled = threading.Event()
        for future in after:
            future.add_done_callback(self._count)
        threading.Thread(target=self._run, name='parsl-late-start', daemon=True).start()

    def cancel(self) -> None:
        """Start nothing from now on; waits for a start that is under way."""
        self._is_over = True
        self._go.set()
        self._settled.wait()

    def _count(self, future: Future[Any]) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                self._go.set()

    def _run(self) -> None:
        self._go.wait(_PATIENCE_SECONDS)
        try:
            if not self._is_over:
                self._start()
        except Exception as error:
            logger.exception('An executor could not be started')
            self.error = error
        finally:
            self._settled.set()
        threading.Event().wait()


def _log_warmth(label: str, future: Future[Any]) -> None:
    error = future.exception()
    if error is not None:
        logger.warning('A worker of %s could not be warmed up: %s', label, error)
    else:
        seconds = ', '.join(f'{module} {spent:.1f} s' for module, spent in future.result().items())
        logger.info('A worker of %s is warm: %s', label, seconds)
