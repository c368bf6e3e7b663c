"""One campaign, driven to its end by people who resume it whenever its driver is killed, and killed at by chaos."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from chaos_campaigns import Place, Setup, start_driver
from chaos_processes import KINDS, Kind, RunProcesses, describe, kill

from scoutbee.traces.records import EventRecord, SimulationRecord

PATIENCE = 120.0
"""A run hangs that has shown no result for so many seconds, after the last one, a kill or the start of a driver."""

_LOOK = 0.05
_TAIL = 30
_GONE_SECONDS = 30.0  # a Parsl manager looks for its interchange for 20

# Some kills hit a run that is still getting over the last one, the others one that works.
_OVERLAP = 0.2
_OVERLAP_SECONDS = 4.0
_CALM_SECONDS = 3.0


class HangError(Exception):
    """A run makes no progress."""


@dataclass(frozen=True)
class Kill:
    """One process that was killed.

    Attributes:
        kind: What it was.
        time: When, in seconds since the epoch.
    """

    kind: Kind
    time: float


@dataclass(frozen=True)
class Drive:
    """The life of one driver, from its start to its end, in seconds since the epoch."""

    started: float
    ended: float
    resumed: bool
    killed: bool


@dataclass
class Course:
    """What happened to one campaign, as seen from outside.

    Attributes:
        setup: The campaign.
        place: Where it ran.
        kills: In order.
        drives: Its drivers, in order.
        status: Exit status of the last driver.
        left: Processes that were there after it ended, in words.
    """

    setup: Setup
    place: Place
    kills: list[Kill] = field(default_factory=list)
    drives: list[Drive] = field(default_factory=list)
    status: int | None = None
    left: list[str] = field(default_factory=list)

    @property
    def run_dir(self) -> Path:
        """The run directory.

        Raises:
            RuntimeError: If the run did not get so far.
        """
        found = self.place.run_dir()
        if found is None:
            raise RuntimeError(f'{self.setup}: there is no run directory; {self.place.output} may tell why.')
        return found

    @property
    def seconds(self) -> float:
        """From the start of the first driver to the end of the last."""
        return self.drives[-1].ended - self.drives[0].started


class Draw:
    """Draws what to kill and when; even over kinds, because each has its turn before any has another."""

    def __init__(self, seed: int, kinds: Iterable[Kind] = KINDS) -> None:
        """Args: seed: Of every draw. kinds: What may be killed."""
        self._random = random.Random(seed)
        self._kinds = tuple(kinds)
        self._turns: list[Kind] = []

    def victim(self, present: Mapping[Kind, list[psutil.Process]]) -> tuple[Kind, psutil.Process] | None:
        """One of the processes there are, or None if there is nothing that may be killed."""
        able = {kind for kind in self._kinds if present.get(kind)}
        if not able:
            return None
        if not able.intersection(self._turns):
            self._turns += self._random.sample(self._kinds, len(self._kinds))  # who was not there keeps his turn
        turn = next(kind for kind in self._turns if kind in able)
        self._turns.remove(turn)
        return turn, self._random.choice(sorted(present[turn], key=lambda process: process.pid))

    def pause(self) -> tuple[bool, float]:
        """When to kill next: whether only after results flow again, and so many seconds after that or from now."""
        if self._random.random() < _OVERLAP:
            return False, self._random.uniform(0, _OVERLAP_SECONDS)
        return True, self._random.uniform(0, _CALM_SECONDS)


class Fire:
    """Runs one campaign and kills its processes."""

    def __init__(
        self, setup: Setup, place: Place, draw: Draw, say: Callable[[str], None], patience: float = PATIENCE
    ) -> None:
        """Prepare.

        Args:
            setup: The campaign.
            place: Where it runs.
            draw: What to kill when.
            say: Told of every kill.
            patience: Seconds without a result that are no hang yet.
        """
        self.course = Course(setup, place)
        self._draw = draw
        self._say = say
        self._patience = patience
        self._processes = RunProcesses()
        self._environment = self._processes.environment(place.environment())
        self._ledger = Growth(place)

    def run(self, kills: int) -> Course:
        """Run the campaign to its end.

        Args:
            kills: How many processes to kill, at most; fewer if it ends before.

        Returns:
            What happened.

        Raises:
            HangError: If it makes no progress; what was left of it is gone by then.
        """
        self.course.place.prepare(self.course.setup)
        try:
            while self._drive(kills):
                pass
            self._await_silence()
        finally:
            self.end()
        return self.course

    def end(self) -> None:
        """Kill what there is of the run; nothing, if it went well."""
        for process in self._processes.members():
            kill(process)

    def _drive(self, kills: int) -> bool:
        """The life of one driver; returns whether another has to go on."""
        course = self.course
        resumed = course.place.run_dir() is not None
        started = time.time()
        driver = start_driver(course.setup, course.place, self._environment)
        self._processes.adopt(driver.pid)
        self._ledger.excuse()
        killed = self._attend(driver, kills)
        course.status = driver.wait()
        course.drives.append(Drive(started, time.time(), resumed, killed))
        return killed

    def _attend(self, driver: subprocess.Popen[bytes], kills: int) -> bool:
        """Kill until the driver has ended; returns whether by a kill."""
        due = self._next()
        while driver.poll() is None:
            self._ledger.look()
            if self._ledger.still > self._patience:
                raise HangError(self._hang())
            if len(self.course.kills) < kills and due(self._ledger.results):
                kind = self._kill_one()
                if kind == 'driver':
                    return True
                if kind is not None:
                    due = self._next()
            time.sleep(_LOOK)
        return False

    def _next(self) -> Callable[[int], bool]:
        """Whether the next kill is due, given the number of results."""
        calm, pause = self._draw.pause()
        before = self._ledger.results
        since: float | None = None if calm else time.monotonic()

        def due(results: int) -> bool:
            nonlocal since
            if since is None and results > before:
                since = time.monotonic()
            return since is not None and time.monotonic() - since >= pause

        return due

    def _kill_one(self) -> Kind | None:
        victim = self._draw.victim(self._processes.by_kind())
        if victim is None:
            return None
        kind, process = victim
        now = time.time()
        if not kill(process):
            return None
        self.course.kills.append(Kill(kind, now))
        self._ledger.excuse()
        self._say(f'{kind} killed after {self._ledger.results} of {self.course.setup.size} results')
        return kind

    def _await_silence(self) -> None:
        """Give what is on its way out a while, then note what stays."""
        deadline = time.monotonic() + _GONE_SECONDS
        while (left := self._processes.members()) and time.monotonic() < deadline:
            time.sleep(_LOOK)
        self.course.left = [describe(process) for process in left]

    def _hang(self) -> str:
        lines = [
            f'{self.course.setup}: no progress for {self._patience:.0f} s, {self._ledger.results} results are there.'
        ]
        lines += [f'  {describe(process)}' for process in self._processes.members()]
        return '\n'.join([*lines, tails(self.course.place)])


class Growth:
    """How far a run has come, as its ledger shows.

    Attributes:
        results: Observations when it was last looked at.
    """

    def __init__(self, place: Place) -> None:
        """Args: place: Where it runs."""
        self.results = 0
        self._place = place
        self._read = 0
        self._since = time.monotonic()

    @property
    def still(self) -> float:
        """Seconds since the last result, or since there was a reason to wait for the next."""
        return time.monotonic() - self._since

    def excuse(self) -> None:
        """Something has happened after which results may take their time."""
        self._since = time.monotonic()

    def look(self) -> None:
        """Read what is new."""
        run_dir = self._place.run_dir()
        if run_dir is None:
            return
        file = run_dir / f'{SimulationRecord.stream}.jsonl'
        if not file.exists():
            return
        with file.open('rb') as results:
            results.seek(self._read)
            new = results.read()
        whole = new[: new.rfind(b'\n') + 1]
        self._read += len(whole)
        observed = sum(json.loads(line)['outcome'] == 'observed' for line in whole.splitlines())
        if observed:
            self.results += observed
            self.excuse()


def tails(place: Place) -> str:
    """The ends of the logs of a run."""
    run_dir = place.run_dir()
    files = [place.output]
    if run_dir is not None:
        files += [run_dir / 'runtime.log', run_dir / 'engine' / 'server.log', run_dir / f'{EventRecord.stream}.jsonl']
    return '\n'.join(_tail(file) for file in files if file.exists())


def _tail(file: Path) -> str:
    lines = [line[:300] for line in file.read_text(errors='replace').splitlines()[-_TAIL:]]
    return '\n'.join([f'--- the end of {file}', *lines])
