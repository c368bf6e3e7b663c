"""Puts the agents where the ledger says they were."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from scoutbee.contracts.campaign import Snapshot
from scoutbee.contracts.errors import FailureKind
from scoutbee.contracts.learning import ModelVersion, Predictions
from scoutbee.traces.history import Basis, History, Round, Tries, Unfinished
from scoutbee.traces.replay_events import TRAINING_FAILED

from .buffer import Attempt
from .context import Context
from .learning import RestOfRound, Update, ranks_each_model
from .recollection import Recollection


class Resumption:
    """Rebuilds the state of the agents from what is on disk, before they set out.

    The campaign is called as it was: it is told every observation in order, and in between it plans the newest
    training round and makes the newest ranking again, on what was known then. What is in the ledger is not computed
    again: models and predictions are read back, and only what is missing is sent. An empty history is that of a
    campaign that begins.
    """

    def __init__(self, context: Context, history: History) -> None:
        """Args: context: The parts of the campaign, fresh; history: What its run directory tells."""
        self._context = context
        self._board = context.board
        self._history = history
        self._recollection = Recollection(context, history.learning)
        selection = history.last_selection
        self._ranked = tuple(ModelVersion.parse(text) for text in selection.models) if selection is not None else ()
        self._ranked_predictions = Predictions((), ())
        self._left_out = set(history.learning.left_out)
        self._rest: RestOfRound | None = None

    def restore(self) -> RestOfRound | None:
        """Rebuild everything; returns what the trainer has to go on with, if anything."""
        self._restore_candidates()
        self._restore_predictions()
        self._relive()
        self._restore_learning()
        self._restore_update()
        self._repair()
        self._ask_for_ranking()
        self._context.mover.resume(self._history.slot_moves, self._history.happened)
        return self._rest

    # -- candidates ---------------------------------------------------------------------------------------------

    def _restore_candidates(self) -> None:
        board, history = self._board, self._history
        board.buffer.mark_handed_out(history.taken_keys)
        for row in history.taken_rows:
            board.mark_row(int(row))
        for work in history.unfinished:
            self._reissue(work)
        for candidate in history.withdrawn:
            board.buffer.give_back(candidate)
        counts = board.counts
        counts.submitted, counts.resubmitted = history.submitted, history.lost_and_resubmitted
        counts.failed, counts.quarantined = len(history.failed), len(history.quarantined)

    def _reissue(self, work: Unfinished) -> None:
        board, key = self._board, work.candidate.key
        kinds = {FailureKind(kind): times for kind, times in work.kinds.items()}
        board.open[key] = work.candidate
        board.kills[key] = kinds.get(FailureKind.KILLED, 0)
        # What was in flight went down with the driver, which the candidate is not to blame for.
        board.losses[key] = work.losses + work.in_flight
        for kind in kinds.keys() - {FailureKind.LOST, FailureKind.KILLED}:
            board.failures.setdefault(key, Counter())[kind] = kinds[kind]
        lost = work.in_flight or work.owes_resubmission
        board.buffer.repeat(Attempt(work.candidate, work.attempt + 1, after_loss=lost))

    # -- the campaign -------------------------------------------------------------------------------------------

    def _relive(self) -> None:
        """Tell the campaign what it was told, and ask it what it was asked last, each in its place."""
        observations = self._history.observations
        training = self._history.learning.round
        planned_at = None if training is None else min(training.basis.observations, len(observations))
        ranked_at = min(self._history.selection_basis.observations, len(observations))
        for known in range(len(observations) + 1):
            if known == planned_at and training is not None:
                self._plan(training)
            if known == ranked_at:
                self._refill_buffer()
            if known < len(observations):
                with self._context.campaign_lock:
                    follow_ups = self._context.campaign.follow_ups(observations[known])
                self._board.observe(observations[known], follow_ups)

    def _snapshot(self, basis: Basis) -> Snapshot:
        return Snapshot(
            observations=self._history.observations[: basis.observations],
            taken_rows=basis.taken_rows,
            models=self._recollection.newest_of(basis.models),
            generation=basis.generation,
        )

    def _plan(self, training: Round) -> None:
        """Plan a round again as it was planned, for what is left to do of it."""
        members = frozenset(m for m in training.members if self._is_to_train(ModelVersion(training.generation, m)))
        if not members:
            return
        with self._context.campaign_lock:
            plan = self._context.campaign.training_round(self._snapshot(training.basis))
        planned = frozenset(request.member for request in plan.requests) if plan is not None else frozenset()
        for member in sorted(members - planned):
            self._leave_out(ModelVersion(training.generation, member))
        if plan is not None and members & planned:
            self._rest = RestOfRound(training.generation, plan, members & planned)

    def _is_to_train(self, version: ModelVersion) -> bool:
        if version in self._left_out or not self._board.learning.table.missing(version):
            return False
        return self._recollection.model(version) is None

    def _leave_out(self, version: ModelVersion) -> None:
        tries = self._history.learning.tries.get((version, None), Tries())
        self._context.traces.event(
            'thinker',
            TRAINING_FAILED,
            f'Asked again for the training of {version}, the campaign does not plan it; it is left out of this update.',
            level='warning',
            generation=version.generation,
            member=version.member,
            attempt=tries.attempt,
            failures=tries.failures,
            losses=tries.losses,
            given_up=True,
        )
        self._left_out.add(version)

    def _refill_buffer(self) -> None:
        """Fill the buffer as the newest ranking did, and drop what was taken of it since."""
        board, campaign = self._board, self._context.campaign
        with self._context.campaign_lock:
            if not self._ranked:
                board.buffer.replace(campaign.seeds())
            elif self._ranking_can_be_repeated:
                snapshot = self._snapshot(self._history.selection_basis)
                ranking = campaign.rank(self._ranked_predictions, snapshot, self._history.rankings)
                board.buffer.replace(ranking.candidates)

    # -- learning -----------------------------------------------------------------------------------------------

    @property
    def _ranking_can_be_repeated(self) -> bool:
        return self._ranked_predictions.versions == self._ranked

    def _restore_predictions(self) -> None:
        """File what was predicted: first what the newest ranking was made of, then what came after it."""
        self._file(self._ranked)
        self._ranked_predictions = self._board.learning.table.newest()
        self._file(sorted(self._history.learning.predictions.keys() - set(self._ranked) - self._left_out))

    def _file(self, versions: Sequence[ModelVersion]) -> None:
        table = self._board.learning.table
        for version in versions:
            for chunk, values in self._recollection.chunks(version).items():
                table.file(version, chunk, values)

    def _restore_learning(self) -> None:
        board, learned = self._board, self._history.learning
        learning = board.learning
        learning.models = self._recollection.newest_of(learned.models)
        learning.generation = learned.round.generation if learned.round is not None else 0
        learning.trained_on = learned.decided_on or 0
        learning.failed_updates = learned.failed_updates
        if learned.decided_on is None and not self._recollection.initial:
            learning.training_wanted = 'the campaign begins'
        board.rankings = self._history.rankings
        board.ranked_generation = max((version.generation for version in self._ranked), default=None)

    def _restore_update(self) -> None:
        """Take up the newest update, unless it was over and done with."""
        learned, learning = self._history.learning, self._board.learning
        if learned.round is not None:
            generation, members, started = learned.round.generation, learned.round.members, learned.round.started
        elif self._recollection.initial:
            generation, started = 0, self._history.started or time.time()
            members = frozenset(version.member for version in self._recollection.initial)
        else:
            return
        update = Update(generation, members, started, learned.round.rows if learned.round is not None else 0)
        update.failed = {m for m in members if ModelVersion(generation, m) in self._left_out}
        for member in members - update.failed:
            version = ModelVersion(generation, member)
            if not learning.table.missing(version):
                update.predicted.add(member)
            if member in update.predicted or self._recollection.model(version) is not None:
                update.trained.add(member)
        if not self._is_settled(update):
            self._take_up(update)

    def _is_settled(self, update: Update) -> bool:
        """Whether an update was closed, and what came of it was ranked."""
        if update.generation == self._history.learning.failed_generation:
            return True
        models = {ModelVersion(update.generation, member) for member in update.predicted}
        return update.is_over and not update.came_to_nothing and models <= set(self._ranked)

    @property
    def _newest(self) -> tuple[ModelVersion, ...]:
        return self._board.learning.table.newest().versions

    def _take_up(self, update: Update) -> None:
        learning = self._board.learning
        learning.begin(update)
        learning.tries.update(self._history.learning.tries)
        for member in sorted(update.trained):
            model = self._recollection.model(ModelVersion(update.generation, member))
            if member in update.predicted:
                learning.answered += learning.table.n_chunks
            elif model is not None:
                learning.answered += learning.table.filed(model.version)
                learning.fresh.append(model)

    def _repair(self) -> None:
        """Ask again for predictions that the newest ranking was made of and that cannot be read back."""
        learning = self._board.learning
        found = {version.member for version in self._newest}
        lost = [version for version in self._ranked if version.member not in found]
        if not lost or learning.update is not None:  # the update under way will bring newer ones
            return
        models = [model for model in map(self._recollection.model, lost) if model is not None]
        if models:
            members = frozenset(model.version.member for model in models)
            learning.begin(Update(max(version.generation for version in lost), members, time.time()))
            assert learning.update is not None
            learning.update.trained = set(members)
            learning.fresh.extend(models)
        elif not found:
            learning.training_wanted = 'the models and predictions of before are lost'

    def _ask_for_ranking(self) -> None:
        """A ranking is due if better predictions are there than it was made of, or it could not be repeated."""
        update = self._board.learning.update
        if not self._newest or (update is not None and update.is_over):  # then the end of the update asks for one
            return
        under_way = None if update is None else update.generation
        fresh = [version for version in self._newest if version not in self._ranked]
        from_before = any(version.generation != under_way for version in fresh)
        from_now = bool(fresh) and ranks_each_model(self._board.policy)
        if from_before or from_now or not self._ranking_can_be_repeated:
            self._board.ask_for_ranking(update.started if update is not None else None)
