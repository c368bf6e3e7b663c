"""Functions that the tests of the fabric run on workers."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoutbee.contracts.errors import ConvergenceTaskError, InputTaskError


def double(x):
    return {
        'value': 2 * x,
        'pid': os.getpid(),
        'parent': os.getppid(),
        'threads': os.environ.get('OMP_NUM_THREADS'),
    }


@dataclass
class Endless:
    """Cannot be doubled: another program is started, the ids of both processes are told, and that is all."""

    mark: str

    def __rmul__(self, factor):
        helper = subprocess.Popen(['sleep', '3600'])
        Path(self.mark).write_text(f'{os.getpid()} {helper.pid}')
        helper.wait()


DEATHS = {
    'crash': lambda: ctypes.string_at(0),
    'exit hard': lambda: os._exit(3),
    'die': lambda: os.kill(os.getpid(), signal.SIGKILL),
}


def misbehave(how, *more):
    if how == 'input':
        raise InputTaskError('benzene is misspelt')
    if how == 'convergence':
        raise ConvergenceTaskError('no convergence in 3 steps')
    if how == 'memory':
        raise MemoryError
    if how == 'chance':
        raise ValueError('half a pair: \ud800')
    if how == 'exit':
        sys.exit(3)
    if how == 'unsendable':
        return lambda: None
    if how in DEATHS:
        DEATHS[how]()
    if how == 'touch and wait':
        Path(more[0]).write_text(str(os.getpid()))
        time.sleep(3600)
    return {'how': how}


def total(array, more=0):
    return float(np.asarray(array).sum()) + more


def ones(n):
    return np.ones(int(n))


def loaded(module):
    return {'loaded': module in sys.modules}


def meet(folder, count):
    """Wait until so many tasks do this at the same time; returns the environment in which this one does."""
    (Path(folder) / str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < count:
        time.sleep(0.05)
    return dict(os.environ)


def drive(engine_name, run_dir, mark):
    """A driver that is killed with its engine at work; prints the session of its task server."""
    from scoutbee.fabric.engines import make_engine
    from scoutbee.fabric.queues import SecureRedisQueues
    from scoutbee.fabric.redis_server import EmbeddedRedis
    from scoutbee.fabric.sites import Site

    site = Site.model_validate({'name': 'test', 'executors': {'all': {'kinds': ['simulate', 'train', 'infer']}}})
    with EmbeddedRedis() as server:
        queues = SecureRedisQueues(server.address, ['simulate'])
        with make_engine(site, engine_name, {'simulate': misbehave}, queues, Path(run_dir)) as engine:
            engine.wait_until_ready()
            queues.send_inputs('touch and wait', mark, method='simulate', topic='simulate')
            print(engine.pid, flush=True)
            time.sleep(3600)


def impossible(plan):
    raise RuntimeError('no such machine')
