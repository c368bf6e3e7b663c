"""Blocks of workers that are had when a batch system gives them, and given up only when it never will."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parsl.executors import HighThroughputExecutor
from parsl.jobs.errors import TooManyJobFailuresError
from parsl.jobs.states import JobState, JobStatus

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 120.0)
"""Pauses before a block is asked for again when so many requests have been refused in a row."""

_REFUSALS = 5
"""So many refusals in a row, and no block, mean that none can be had."""

_REFUSALS_OF_ONE_KNOWN = 25
"""The same where blocks have been had before, so that a batch system may be down for three quarters of an hour."""

_BARREN = 5
"""So many blocks in a row that ended before their workers reported mean that workers cannot be started."""

_CANCEL_COMMANDS = {'slurm': 'scancel', 'pbspro': 'qdel'}
_LAST_WORDS = 500


class BlockExecutor(HighThroughputExecutor):
    """Parsl's executor with other rules for its blocks.

    * The fewest blocks are asked for at once, and kept even while there is nothing to do; Parsl starts them once, when
      it first looks.
    * A batch system that refuses a block is left in peace for a while; Parsl asks again every few seconds.
    * A block that waits in the queue is not cancelled because some of its workers will have nothing to do. Parsl, asked
      to give no block back, gives all back that are idle, and those that wait count as such.
    * It gives up only if no block can be had, or none that is had gets its workers to report. Parsl does when the last
      few blocks failed, however long they worked before and however many others still do.
    * Jobs that are left in the queue by a task server that was killed are cancelled by the next one.
    """

    _refusals = 0
    _not_before = 0.0
    _reported: frozenset[str] = frozenset()
    _last_poll_time: float  # Parsl's

    def start(self) -> None:
        """Cancel the jobs of an earlier task server, and start, with the fewest blocks."""
        if self._job_list.exists():
            self._cancel(self._job_list.read_text().split())
            self._job_list.unlink()
        super().start()
        self.scale_out_facade(self.provider.min_blocks)

    def shutdown(self, timeout: float = 10.0) -> None:
        """Stop; the jobs have been cancelled by now."""
        if not self.unfinished_jobs():
            self._job_list.unlink(missing_ok=True)
        super().shutdown(timeout)

    def unfinished_jobs(self) -> list[str]:
        """Ids of the jobs that had not ended when they were last asked about."""
        over = {block for block, each in self.status_facade.items() if each.terminal}
        return [job for block, job in self.blocks_to_job_id.items() if block not in over]

    def connected_blocks(self) -> list[str]:
        """Ids of the blocks whose workers have reported."""
        blocks: list[str] = super().connected_blocks()
        self._reported = frozenset(blocks)
        return blocks

    def poll_facade(self) -> None:
        """Look at the blocks, if it is time to."""
        # Parsl would not look before a clock that was set back has caught up.
        self._last_poll_time = min(self._last_poll_time, time.time())
        super().poll_facade()

    def handle_errors(self, status: dict[str, JobStatus]) -> None:
        """Give up if there is no hope, or else keep the fewest blocks. Called after every look at the blocks."""
        reason = None if self.bad_state_is_set else self._hopeless(status)
        if reason is not None:
            self.set_bad_state_and_fail_all(TooManyJobFailuresError(reason))
        if self.bad_state_is_set:
            return
        lacking = self.provider.min_blocks - len(_active(status))
        if lacking > 0:
            self.scale_out_facade(lacking)

    def scale_out_facade(self, n: int) -> list[str]:
        """Ask for blocks, unless some were refused a moment ago; returns the ids of those that were granted."""
        granted: list[str] = []
        while len(granted) < n and time.monotonic() >= self._not_before:
            block = super().scale_out_facade(1)
            if not block:
                self._refused()
                break
            self._refusals = 0
            granted += block
        return granted

    def scale_in(self, blocks: int, max_idletime: float | None = None) -> list[str]:
        """Give blocks back, those first that have been idle for longest; returns the ids of those that were."""
        if blocks <= 0:
            return []
        given_back: list[str] = super().scale_in(blocks, max_idletime)
        return given_back

    def _refused(self) -> None:
        self._refusals += 1
        pause = _PAUSE_SECONDS[min(self._refusals, len(_PAUSE_SECONDS)) - 1]
        self._not_before = time.monotonic() + pause
        logger.warning('A block of %s was refused; asked again in %g s. %s', self.label, pause, self._last_refusal())

    def _last_refusal(self) -> str:
        latest = max(self._simulated_status, key=int)
        return self._simulated_status[latest].message or ''

    def _launch_block(self, block_id: str) -> Any:
        job = super()._launch_block(block_id)
        if self.provider.label in _CANCEL_COMMANDS:
            with self._job_list.open('a') as file:
                file.write(f'{job}\n')
        return job

    def _cancel(self, jobs: Sequence[str]) -> None:
        """Cancel jobs that another process submitted, of which Parsl knows nothing."""
        command = f'{_CANCEL_COMMANDS[self.provider.label]} {" ".join(jobs)}'
        try:
            self.provider.execute_wait(command)  # it fails for jobs that have ended, too
        except Exception as error:
            logger.warning('Jobs of an earlier task server could not be cancelled (%s): %s', command, error)

    @property
    def _job_list(self) -> Path:
        """Ids of the jobs that this executor's task servers have submitted; beside the folders that each makes."""
        return Path(self.run_dir).parent / f'{self.label}.jobs'

    def _hopeless(self, status: Mapping[str, JobStatus]) -> str | None:
        """Why no workers can be had, or None while they can."""
        patience = _REFUSALS_OF_ONE_KNOWN if self._reported else _REFUSALS
        if self._refusals >= patience and not _active(status):
            return f'{self._refusals} requests for a block were refused in a row. {self._last_refusal()}'
        submitted = sorted((block for block in status if block in self.blocks_to_job_id), key=int)
        ended = [status[block] for block in submitted if status[block].terminal]
        barren = [each for each in ended if each.state != JobState.SCALED_IN][-_BARREN:]
        if len(barren) < _BARREN or any(each.state != JobState.MISSING for each in barren):
            return None
        if any(block in self._reported for block in _active(status)):
            return None
        said = (barren[-1].stderr_summary or '').strip()[-_LAST_WORDS:] or 'nothing'
        return (
            f'{_BARREN} blocks in a row ended before their workers reported; the last one said: {said}. Look at '
            f'worker_init, launch_prefix and the address of the site, and into {self.provider.script_dir}'
        )


def _active(status: Mapping[str, JobStatus]) -> list[str]:
    return [block for block, each in status.items() if not each.terminal]
