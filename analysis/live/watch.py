"""Shows a run on a terminal, from its files alone, as ``run.py`` shows its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .follower import Follower, Phase
from .pacing import Pacer
from .state import Ending
from .story import Line
from .terminal import TerminalView
from .terminal_outcome import Outcome, print_outcome

POLL_SECONDS = 0.5
"""How often the files are looked at."""

LINES_BEFORE = 10
"""Lines of what has happened so far that are shown first."""

SHOWN = 10
"""How many of the best are shown at the end."""

STOPPED = 'Its driver is gone and did not say how it ended; python run.py --resume {run_dir} goes on with it.'

_OVER: tuple[Phase, ...] = ('ended', 'stopped', 'gone', 'unreadable')


def watch(run_dir: Path, speed: float | None = None) -> int:
    """Show a run on standard output until it is over.

    Args:
        run_dir: The run directory, which need not exist yet.
        speed: Show it from its beginning, so many times faster than it went; as it stands, where None.

    Returns:
        Exit status: 0, or 2 where it could not be read.
    """
    follower = Follower(run_dir, pacer=None if speed is None else Pacer(speed))
    _await(follower)
    latest = follower.state.progress(follower.now())
    view = TerminalView(
        lambda: latest, follower.facts.objective, follower.facts.campaign, time_left=follower.state.time_left()
    )
    with view:
        shown = _show(view, follower, after=None)
        while (phase := follower.phase()) not in _OVER:
            time.sleep(POLL_SECONDS)
            _catch_up(follower)
            latest = follower.state.progress(follower.now())
            shown = _show(view, follower, after=shown)
    return _conclude(follower, phase)


def _await(follower: Follower) -> None:
    """Wait until there is something to show."""
    _catch_up(follower)
    if follower.phase() == 'awaited':
        print(f'{follower.run_dir} holds no run yet; waiting for one. Ctrl-C ends this.', flush=True)
    while follower.phase() == 'awaited':
        time.sleep(POLL_SECONDS)
        _catch_up(follower)


def _catch_up(follower: Follower) -> None:
    follower.poll()
    while follower.is_behind:
        follower.poll()


def _show(view: TerminalView, follower: Follower, after: int | None) -> int:
    """Show what was told since; returns the place in the ledger up to which that is."""
    lines = list(_told(follower, after))
    for line in lines if after is not None else lines[-LINES_BEFORE:]:
        view.event(line.text, line.level)
    return max([after or 0, *(line.seq for line in lines)])


def _told(follower: Follower, after: int | None) -> Iterator[Line]:
    return (line for line in follower.state.story.lines if line.is_told and (after is None or line.seq > after))


def _conclude(follower: Follower, phase: Phase) -> int:
    if phase == 'unreadable':
        print(follower.trouble, file=sys.stderr)
        return 2
    if phase == 'gone':
        print(f'{follower.run_dir} is gone.', file=sys.stderr)
        return 2
    print_outcome(_outcome(follower))
    return 0


def _outcome(follower: Follower) -> Outcome:
    facts, state = follower.facts, follower.state
    ending = state.ending or Ending('stopped', STOPPED.format(run_dir=follower.run_dir))
    return Outcome(
        campaign=facts.campaign,
        objective=facts.objective,
        status=ending.status,
        reason=ending.reason,
        simulations=state.tally.succeeded,
        best=[(entry.key, entry.value, facts.objective.unit) for entry in state.discoveries.top(SHOWN)],
        run_directory=follower.run_dir,
        wall_seconds=state.clock.now,
    )
