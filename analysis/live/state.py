"""A campaign as its ledger shows it, in bounded memory: a function of the records alone, in the order of their seq."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN
from scoutbee.contracts.candidates import Objective
from scoutbee.contracts.progress import Progress
from scoutbee.traces.replay_events import SUBMITTED

from .busy import BusyBins
from .clock import ENDED, STARTED, CampaignClock
from .discoveries import Discoveries
from .glimpses import Event, Glimpse, Inferred, Selected, Simulated, Task, Trained
from .latency import Latencies
from .learning import LearningView
from .sampled import Sampled
from .story import Story
from .tally import Tally
from .terminal_text import TimeLeft

FRAMES = 400
"""Most moments of which the progress is kept, for replay."""

FIRST_DISTANCE = 0.25
"""Seconds from one to the next, at first."""


@dataclass(frozen=True)
class Ending:
    """How a campaign said that it ended: a status of ``summary.json``, and the reason in a sentence."""

    status: str
    reason: str


class CampaignState:
    """All that a watcher is shown."""

    def __init__(self, objective: Objective, search_size: int | None = None) -> None:
        """Nothing is recorded yet.

        Args:
            objective: What is looked for.
            search_size: Simulations that the campaign wants, where the ledger does not say.
        """
        self.objective = objective
        self.search_size = search_size
        self.clock = CampaignClock()
        self.tally = Tally(objective)
        self.learning = LearningView()
        self.discoveries = Discoveries(objective)
        self.busy = BusyBins()
        self.latencies = Latencies()
        self.story = Story(objective)
        self.frames: Sampled[Progress] = Sampled(FRAMES, FIRST_DISTANCE)
        self.ending: Ending | None = None
        self.records = 0
        """Records taken."""
        self._last_seq = 0
        self._handlers: dict[type[Glimpse], Callable[[Any, float], None]] = {
            Event: self._heard,
            Simulated: self._simulated,
            Trained: self._trained,
            Inferred: self._inferred,
            Selected: self._selected,
        }

    def take(self, record: Glimpse) -> None:
        """Go on to the next record."""
        at = self.clock.take(record)
        self.records += 1
        self._last_seq = record.seq
        self._handlers[type(record)](record, at)
        if self.frames.is_due(at):
            self.frames.add(at, self.progress(record.time))

    def note(self, text: str) -> None:
        """Tell of trouble with the ledger itself."""
        self.story.note(text, self._last_seq, self.clock.now, self.clock.newest or 0.0)

    def progress(self, time: float) -> Progress:
        """What ``run.py`` shows of the campaign.

        Args:
            time: When, in seconds since the epoch.
        """
        tally, learning = self.tally, self.learning
        return Progress(
            search_size=tally.search_size or self.search_size or tally.succeeded,
            submitted=tally.submitted,
            in_flight=tally.in_flight,
            succeeded=tally.succeeded,
            failed=tally.failed,
            quarantined=tally.quarantined,
            resubmitted=tally.resubmitted,
            found=tally.found,
            best=tally.best,
            buffered=tally.buffered,
            generation=learning.generation,
            rankings=learning.rankings,
            updating=learning.updating,
            trained=learning.trained,
            inferred=learning.inferred,
            busy=self._slots(),
            elapsed=self.clock.since_set_out(time),
        )

    def time_left(self) -> TimeLeft:
        """What the pace of this session says about the time left."""
        estimate = TimeLeft()
        began = self.clock.sessions[-1].at if self.clock.sessions else 0.0
        for at, progress in self.frames.rows:
            if at >= began:
                estimate.estimate(progress)
        return estimate

    def running(self) -> dict[str, list[float]]:
        """Since when simulations that are not back have been running, campaign seconds, by kind of task.

        Those sent first are taken to be running, as many as there are workers; the others wait.
        """
        sent = sorted(at for attempts in self.tally.flights.values() for at in attempts.values())
        return {SIMULATE: sent[: max(0, self.tally.busy()[1] - self.tally.prefetch)]}

    def _slots(self) -> dict[str, tuple[int, int]]:
        slots = self.tally.slots
        to_train, to_infer = self.learning.to_train(), self.learning.to_infer()
        return {
            SIMULATE: self.tally.busy(),
            TRAIN: (min(to_train, slots.get(TRAIN, 1)), slots.get(TRAIN, 1)),
            INFER: (min(to_infer, slots.get(INFER, 1)), slots.get(INFER, 1)),
        }

    def _heard(self, record: Event, at: float) -> None:
        self.tally.hear(record, at)
        if record.event == SUBMITTED:  # most events are, and no one else cares
            return
        self.learning.hear(record)
        self.story.hear(record, at)
        if record.event == STARTED:
            self.ending = None
        elif record.event == ENDED:
            self.ending = Ending(str(record.facts.get('status', 'ended')), record.message)

    def _simulated(self, record: Simulated, at: float) -> None:
        self._worked(record, at)
        self.tally.simulated(record)
        best = self.discoveries.take(record, at)
        self.story.simulated(record, at, best)

    def _trained(self, record: Trained, at: float) -> None:
        self._worked(record, at)
        self.learning.take_trained(record)
        self.story.trained(record, at)

    def _inferred(self, record: Inferred, at: float) -> None:
        self._worked(record, at)
        self.learning.take_inferred(record)

    def _selected(self, record: Selected, at: float) -> None:
        self.tally.ranked(record)
        self.learning.take_selected(record)
        self.story.ranked(record, at)

    def _worked(self, record: Task, at: float) -> None:
        self.latencies.take(record, at)
        started, ended = record.timestamps.get('compute_started'), record.timestamps.get('compute_ended')
        if started is not None and ended is not None and started <= ended:
            # What came back had ended by then, whatever the worker's clock says.
            self.busy.add(record.kind, self.clock.at(started), min(at, self.clock.at(ended)))
