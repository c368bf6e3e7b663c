"""Functions of one argument that the tests run in worker processes."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

METHODS = {}


def method(function):
    METHODS[function.__name__] = function
    return function


@method
def double(x):
    return 2 * x


@method
def whoami(_):
    return os.getpid()


@method
def fail(message):
    raise ValueError(message)


@method
def unsendable(_):
    return lambda: None


@method
def say(words):
    """Say words, so many times."""
    what, times = words
    print('\n'.join([what] * times), file=sys.stderr, flush=True)


@method
def doze(seconds):
    time.sleep(seconds)


@method
def gate(path):
    """Wait until there is such a file, which may say to die."""
    while path is not None and not Path(path).exists():
        time.sleep(0.01)
    if path is not None and Path(path).read_text():
        os._exit(3)
    return os.getpid()


@method
def die(how):
    print('all is lost', file=sys.stderr, flush=True)
    if how == 'crash':
        ctypes.string_at(0)
    if how == 'exit':
        os._exit(3)
    os.kill(os.getpid(), signal.SIGTERM if how == 'stop' else signal.SIGKILL)
    time.sleep(3600)


@method
def hang(mark):
    """Start another program, tell the ids of both, and never end."""
    helper = subprocess.Popen(['sleep', '3600'])
    part = Path(mark).with_suffix('.part')
    part.write_text(f'{os.getpid()} {helper.pid}')
    part.rename(mark)
    time.sleep(3600)


@method
def leave(mark):
    """Die, leaving a program behind that holds all the files that were open."""
    helper = os.fork()
    if helper == 0:
        time.sleep(3600)
    Path(mark).write_text(str(helper))
    os._exit(4)


def own(mark):
    """The owner of a worker, to be killed while the worker hangs."""
    from scoutbee.fabric.workers import Worker, WorkerSettings, pack_task

    Worker('owned', WorkerSettings(WorkerSettings.pack(METHODS))).run('hang', pack_task('hang', mark))
