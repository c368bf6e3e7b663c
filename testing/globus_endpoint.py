"""A Globus Compute endpoint on this machine: a process with workers, run as a program in an environment of its own.

It does with tasks what an endpoint does: the SDK's serializer unpacks function and arguments, a worker process calls
the one with the others, and a result, the text of what was raised, or the loss of the worker goes back as the service's
own message. It knows nothing of Scoutbee, which need not be installed for it.
"""

from __future__ import annotations

import os
import platform
import queue
import subprocess
import sys
import threading
import traceback
import uuid
from multiprocessing.connection import Connection, Listener, Pipe
from pathlib import Path
from typing import Any

# Python puts this folder first on its path, where names of modules would shadow those of other packages.
sys.path[:] = [entry for entry in sys.path if Path(entry or '.').resolve() != Path(__file__).resolve().parent]

from globus_compute_common import messagepack  # noqa: E402
from globus_compute_common.messagepack.message_types import Result  # noqa: E402
from globus_compute_sdk.errors import MaxResultSizeExceeded  # noqa: E402
from globus_compute_sdk.serialize import ComputeSerializer  # noqa: E402

RESULT_LIMIT = 10 * 1024 * 1024
"""What an endpoint takes as a serialized result, in bytes."""

_LOST = (
    'Traceback (most recent call last):\n'
    'parsl.executors.high_throughput.errors.WorkerLost: Task failure due to loss of worker {number} on host {host}\n'
)

Task = tuple[str, str]
"""Id of a task, and its function and arguments as the SDK packs them."""


class Client:
    """Who sent a task, and gets its result, if still there."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        """Args: connection: To the service."""
        self.connection = connection
        self._lock = threading.Lock()

    def answer(self, message: bytes) -> None:
        """Send a result."""
        with self._lock:
            try:
                self.connection.send_bytes(message)
            except OSError:
                self.connection.close()


def serve(address: str, workers: int) -> None:
    """Be an endpoint until standard input is closed.

    Args:
        address: The unix socket to listen on; the endpoint is online while it does.
        workers: How many worker processes to have.
    """
    tasks: queue.SimpleQueue[tuple[Task, Client]] = queue.SimpleQueue()
    # Looks at whether it listens may come faster than it takes them.
    with Listener(address, 'AF_UNIX', backlog=128) as listener:
        for number in range(workers):
            threading.Thread(target=_feed, args=(number, tasks), daemon=True).start()
        threading.Thread(target=_accept, args=(listener, tasks), daemon=True).start()
        sys.stdin.buffer.read()
    os._exit(0)


def _accept(listener: Listener, tasks: queue.SimpleQueue[tuple[Task, Client]]) -> None:
    while True:
        client = Client(listener.accept())
        threading.Thread(target=_listen, args=(client, tasks), daemon=True).start()


def _listen(client: Client, tasks: queue.SimpleQueue[tuple[Task, Client]]) -> None:
    try:
        while True:
            tasks.put((client.connection.recv(), client))
    except (EOFError, OSError):
        return


def _feed(number: int, tasks: queue.SimpleQueue[tuple[Task, Client]]) -> None:
    worker = _Worker(number)
    while True:
        (task_id, packed), client = tasks.get()
        client.answer(worker.run(task_id, packed))


class _Worker:
    """The place of one worker process, which is replaced when it dies."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._start()

    def run(self, task_id: str, packed: str) -> bytes:
        """Have a task run; returns the service's message of its result, or of the loss of the process."""
        if self._process.poll() is not None:
            self._start()
        try:
            self._pipe.send((task_id, packed))
            return self._pipe.recv_bytes()
        except (EOFError, OSError):
            self._process.wait()
            self._pipe.close()
            return _failed(task_id, _LOST.format(number=self._number, host=platform.node()), 'WorkerLost')

    def _start(self) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, 'work', str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )


def work(descriptor: int) -> None:
    """Run tasks until the endpoint is gone.

    Args:
        descriptor: This end of the pipe to it.
    """
    pipe: Connection[Any, Any] = Connection(descriptor)
    os.set_inheritable(descriptor, False)
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                waiting.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(0)  # at once, like a worker whose node is taken away

    threading.Thread(target=listen, daemon=True).start()
    while True:
        pipe.send_bytes(_run(*waiting.get()))


def _run(task_id: str, packed: str) -> bytes:
    serializer = ComputeSerializer()
    try:
        function, args, kwargs = serializer.unpack_and_deserialize(packed)
        data = serializer.serialize(function(*args, **kwargs))
        if len(data) > RESULT_LIMIT:
            raise MaxResultSizeExceeded(len(data), RESULT_LIMIT)
    except Exception as error:
        return _failed(task_id, traceback.format_exc(), type(error).__name__)
    message: bytes = messagepack.pack(Result(task_id=uuid.UUID(task_id), data=data))
    return message


def _failed(task_id: str, text: str, code: str) -> bytes:
    details = {'code': code, 'user_message': text}
    message: bytes = messagepack.pack(Result(task_id=uuid.UUID(task_id), data=text, error_details=details))
    return message


if __name__ == '__main__':
    if sys.argv[1] == 'work':
        work(int(sys.argv[2]))
    else:
        serve(sys.argv[2], int(sys.argv[3]))
