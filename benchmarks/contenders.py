"""Programs that are compared side by side, each in its own process, asked in turn. Standard library only.

A contender is a script that calls ``serve``. It gets requests as lines of JSON and answers each with one: so its start
and its imports are not measured, and only one of them works at a time. The script may run in another environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Contender:
    """A running script, to be asked; closed when the ``with`` block ends."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start it.

        Args:
            command: The script with its interpreter and arguments.
            env: Environment variables that it gets besides those of this process.
        """
        self._command = list(command)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Its answer to a request.

        Raises:
            RuntimeError: If it has ended; what it had to say is on the standard error stream.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError('The process has no pipes.')
        self._process.stdin.write(json.dumps(request) + '\n')
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f'{self._command} ended with status {self._process.wait()} when asked {request}.')
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Contender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def serve(answer: Answer) -> None:
    """Answer requests until there are no more. Whatever else is printed goes to the standard error stream."""
    with os.fdopen(os.dup(1), 'w') as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            answers.write(json.dumps(dict(answer(json.loads(line)))) + '\n')
            answers.flush()


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds that some work took, by the clock, and of processor time by this process and all that it started."""
    cpu, start = _cpu_seconds(), time.perf_counter()
    work()
    return {'seconds': time.perf_counter() - start, 'cpu_seconds': _cpu_seconds() - cpu}


def _cpu_seconds() -> float:
    """Of this process, its descendants that live, and those that ended and were waited for."""
    return sum(os.times()[:4]) + sum(map(_cpu_seconds_of, _children(os.getpid())))


def _cpu_seconds_of(pid: int) -> float:
    """Likewise of another process; see proc_pid_stat(5). 0 where the system does not tell, or it is gone."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return 0.0
    own = sum(map(int, fields[11:15])) / os.sysconf('SC_CLK_TCK')
    return own + sum(map(_cpu_seconds_of, _children(pid)))


def _children(pid: int) -> list[int]:
    """Processes that one has started and not waited for; see proc_pid_task_children(5)."""
    found = []
    for task in Path(f'/proc/{pid}/task').glob('*/children'):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found
