"""The buffer manager: rankings become candidates that are ready to go."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.learning import Predictions
from scoutbee.traces.records import SelectionRecord

from .agent import PATIENCE, Agent

_TOP = 20


class BufferManager(Agent):
    """Wakes when a ranking can be made or the buffer is low; ranks, drops what was seen, refills the buffer.

    It also sees when the campaign starves: nothing ready, nothing in flight, nothing being learned.
    """

    name = 'buffer manager'

    def step(self) -> None:
        """Make a ranking, refill the buffer, or find that there is nothing left to do."""
        board = self.board
        if not board.wait(self._is_needed, PATIENCE):
            return
        if board.ranking_is_due:
            self._rank()
        elif board.is_starved():
            self._starve()
        else:
            self._refill()

    def _is_needed(self) -> bool:
        return self.board.ranking_is_due or self.board.is_starved() or self._may_refill()

    def _may_refill(self) -> bool:
        held_back = self.policy.pause_during_update == 'refill' and self.board.learning.update is not None
        return self.board.buffer.is_low and not held_back

    def _rank(self) -> None:
        began = time.monotonic()
        board = self.board
        with board.lock:
            asked, since = board.rankings_asked, board.ranking_since
            number = board.rankings + 1
            predictions = board.learning.table.newest()
            waiting = board.recallable(self.context.simulation_workers())
            snapshot = board.snapshot(waiting)
        with self.context.campaign_lock:
            ranking = self.context.campaign.rank(predictions, snapshot, number)
            ready, preferred = self._draw(ranking.candidates, {candidate.key for candidate in waiting})
        outranked = self._tell_outranked(waiting, preferred, number)
        self.traces.write(
            SelectionRecord(
                ranking=number,
                models=[str(version) for version in predictions.versions],
                scored=ranking.scored,
                kept=len(ready),
                observations=len(snapshot.observations),
                taken=len(snapshot.taken_rows) + len(waiting),
                seconds=time.monotonic() - began,
                started=since,
                warnings=list(ranking.warnings),
                top=[_told(candidate) for candidate in ready[:_TOP]],
            )
        )
        for warning in ranking.warnings:
            self.traces.event(self.name, 'ranking_warning', warning, level='warning', ranking=number)
        with board.lock:
            board.buffer.replace(chain(ready, ranking.candidates))
            board.rankings = number
            board.rankings_answered = asked
            board.ranked_generation = max(version.generation for version in predictions.versions)
        self.context.mover.happened('ranking')
        board.recall(outranked)
        board.notify()
        self._discard_superseded(predictions)

    def _discard_superseded(self, predictions: Predictions) -> None:
        try:
            self.context.shelf.discard_predictions(predictions.versions)
        except OSError as error:  # it costs disk space, never the ranking
            self.traces.event(
                self.name, 'discard_failed', f'Old predictions could not be deleted: {error}', level='warning'
            )

    def _draw(self, source: Iterator[Candidate], waiting: Collection[str]) -> tuple[list[Candidate], set[str]]:
        """The first of a ranking that have not been handed out, and the keys of those waiting that stand among them."""
        preferred: set[str] = set()

        def is_new(candidate: Candidate) -> bool:
            if candidate.key in waiting:
                preferred.add(candidate.key)
            return not self.board.buffer.was_handed_out(candidate.key)

        with self.board.lock:  # so that what the launcher takes meanwhile is not drawn as well
            return list(islice(filter(is_new, source), self.policy.buffer_size)), preferred

    def _tell_outranked(self, waiting: Sequence[Candidate], preferred: Collection[str], ranking: int) -> list[str]:
        """Write down what was ranked although it had been sent; returns the keys of what does not make the buffer."""
        outranked = [candidate.key for candidate in waiting if candidate.key not in preferred]
        if waiting:
            self.traces.event(
                self.name,
                'reconsidered',
                f'Of {len(waiting)} simulations that wait at the task server, {len(outranked)} are called back.',
                ranking=ranking,
                rows=[candidate.row for candidate in waiting],
                outranked=outranked,
            )
        return outranked

    def _refill(self) -> None:
        with self.board.lock:
            added = self.board.buffer.refill()
        if added:
            self.traces.event(self.name, 'refilled', f'{added} more candidates are ready.', added=added)
        self.board.notify()

    def _starve(self) -> None:
        """Learn from what there is, if anything is new; otherwise the candidates are exhausted."""
        board = self.board
        with board.lock:
            if not board.is_starved():
                return
            if board.unlearned > 0 or board.learning.failed_updates > 0:
                board.learning.training_wanted = 'nothing is left to simulate'
        if board.learning.training_wanted is None:
            done = board.counts.succeeded
            board.end('exhausted', f'No candidate is left after {done} of {self.policy.search_size} simulations.')
        board.notify()


def _told(candidate: Candidate) -> dict[str, Any]:
    return {'key': candidate.key, 'row': candidate.row, **candidate.choice.facts()}
