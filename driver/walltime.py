"""When a run must have ended: by ``--max-hours``, and by the batch job in which its driver runs."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

logger = logging.getLogger(__name__)

_ASK_SECONDS = 10.0

_CONCLUSION_SECONDS = 60.0
_CONCLUSION_SHARE = 0.05
"""Before the end of a job, time is kept to stop workers and to sum up; in short jobs less. The agents keep some too."""

Ask = Callable[[Sequence[str]], str | None]
"""Runs a command and returns what it printed, or None where it failed."""


@dataclass(frozen=True)
class JobEnd:
    """The end of a batch job.

    Attributes:
        scheduler: Who ends it.
        at: When, seconds since the epoch.
    """

    scheduler: str
    at: float


@dataclass(frozen=True)
class TimeLimit:
    """When the campaign of this process is to be over.

    Attributes:
        at: When, seconds since the epoch.
        sentence: Why then.
    """

    at: float
    sentence: str

    @classmethod
    def of_process(cls, max_hours: float | None, job: JobEnd | None = None) -> TimeLimit | None:
        """The sooner of the time allowed and the end of the batch job; None without either.

        Args:
            max_hours: Hours this process may take, from here on.
            job: The end of the batch job; found out if not given.
        """
        now = time.time()
        job = job or job_end(now=now)
        allowed = None if max_hours is None else now + 3600 * max_hours
        if job is not None:
            left = job.at - now
            ready = job.at - min(_CONCLUSION_SECONDS, _CONCLUSION_SHARE * left)
            if allowed is None or ready < allowed:
                told = f'{job.scheduler} ends this job in {_span(left)}; the campaign will be over before that.'
                return cls(ready, told)
        return None if allowed is None else cls(allowed, f'--max-hours ends this campaign in {_span(allowed - now)}.')

    def hours_left(self) -> float:
        """Hours from here on; a moment where there are none."""
        return max(self.at - time.time(), 1.0) / 3600


def _span(seconds: float) -> str:
    for unit, size in (('hours', 3600.0), ('minutes', 60.0)):
        if seconds >= 2 * size:
            return f'{seconds / size:.1f} {unit}'
    return f'{seconds:.0f} seconds'


def job_end(environ: Mapping[str, str] = os.environ, ask: Ask | None = None, now: float | None = None) -> JobEnd | None:
    """The end of the batch job this process runs in.

    Args:
        environ: Environment of the process.
        ask: How to ask a scheduler's own commands, where its environment does not tell.
        now: The time, seconds since the epoch; that of the system if not given.

    Returns:
        None outside of batch jobs, for a job without a limit, and where the end cannot be found out. An end that has
        passed belongs to a job that this process has outlived, and is none.
    """
    now = time.time() if now is None else now
    for scheduler, variable, find in _SCHEDULERS:
        if not environ.get(variable):
            continue
        end = find(environ, ask or _run, now)
        if end is None or end <= now:
            logger.warning('%s=%s is set, but when that job ends is not known.', variable, environ[variable])
            return None
        return JobEnd(scheduler, end)
    return None


def _slurm(environ: Mapping[str, str], ask: Ask, now: float) -> float | None:
    end = _number(environ.get('SLURM_JOB_END_TIME'))  # older versions do not set it
    if end is not None:
        return end
    left = _seconds((ask(['squeue', '-h', '-j', environ['SLURM_JOB_ID'], '-o', '%L']) or '').strip())
    return None if left is None else now + left


def _pbs(environ: Mapping[str, str], ask: Ask, now: float) -> float | None:
    walltime = _number(environ.get('PBS_WALLTIME'))  # TORQUE sets it, PBS Professional and OpenPBS do not
    if walltime is None:
        told = re.search(r'Resource_List\.walltime = ([\d:]+)', ask(['qstat', '-f', environ['PBS_JOBID']]) or '')
        walltime = _seconds(told.group(1)) if told else None
    return None if walltime is None else _job_start('PBS_JOBID', environ['PBS_JOBID'], now) + walltime


def _cobalt(environ: Mapping[str, str], ask: Ask, now: float) -> float | None:
    return _number(environ.get('COBALT_ENDTIME'))


_SCHEDULERS: tuple[tuple[str, str, Callable[[Mapping[str, str], Ask, float], float | None]], ...] = (
    ('Slurm', 'SLURM_JOB_ID', _slurm),
    ('PBS', 'PBS_JOBID', _pbs),
    ('Cobalt', 'COBALT_JOBID', _cobalt),
)
"""Name of each scheduler, the variable that its jobs have, and what finds the end of one."""


def _job_start(variable: str, job: str, now: float) -> float:
    """When the first process of this job began from which this one descends."""
    start = now
    try:
        process: psutil.Process | None = psutil.Process()
        while process is not None and process.environ().get(variable) == job:
            start = min(start, process.create_time())
            process = process.parent()
    except psutil.Error:
        pass  # the parents that are left are someone else's
    return start


def _number(text: str | None) -> float | None:
    try:
        return float(text or '')
    except ValueError:
        return None


def _seconds(span: str) -> float | None:
    """Seconds in ``[days-][[hours:]minutes:]seconds``; None for ``UNLIMITED`` and the like."""
    match = re.fullmatch(r'(?:(\d+)-)?((?:\d+:){0,2}\d+)', span)
    if match is None:
        return None
    parts = [int(part) for part in match.group(2).split(':')]
    seconds = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    return float(int(match.group(1) or 0) * 86_400 + seconds)


def _run(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
