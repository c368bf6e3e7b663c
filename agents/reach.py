"""Sees when no worker gets at what the tasks of its kind are lent."""

from __future__ import annotations

from scoutbee.contracts.errors import Failure, FailureKind

from .context import Context


class Reach:
    """Ends the campaign where one task of a kind after the other cannot reach what keeps its large objects.

    One alone is tried again, on another worker if there is one. Where several in a row fail so, and none comes through
    in between, all the others would too, each after a long wait.
    """

    def __init__(self, context: Context, kind: str, allowed: int) -> None:
        """Args: context: The parts of the campaign; kind: Kind of task; allowed: How many in a row may fail so."""
        self._board = context.board
        self._grace = context.policy.grace
        self._kind = kind
        self._allowed = allowed
        self._in_a_row = 0

    def note(self, failure: Failure | None) -> None:
        """Note how a task came back, None being success; one that never ran says nothing."""
        if failure is None:
            self._in_a_row = 0
            return
        if failure.kind is not FailureKind.UNREACHABLE:
            return
        self._in_a_row += 1
        if self._in_a_row > self._allowed:
            self._board.end(
                'failed',
                f'{self._in_a_row} tasks of {self._kind} in a row failed alike: {failure.message.rstrip(".")}. '
                'Mend the way there, or choose a backend that their workers reach '
                f'(--{self._kind}-ps-backend), and resume.',
                grace=self._grace,
            )
