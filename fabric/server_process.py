"""The process of a task server, which can be started before it is known what it will serve.

Importing an engine takes as long as everything that a driver does before it needs one. Imports nothing heavy itself.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

from .processes import ignore_interrupts
from .redis_environment import hidden_password


class ServerProcess:
    """A process that imports an engine, waits to be told what to do, and does that.

    It leads a session of its own, so a Ctrl-C in the terminal does not reach it. One that nobody has told anything
    ends with the process that started it. A context manager, which starts it and ends one that was told nothing.

    Attributes:
        process: The process itself.
        news: Where what it does tells how it goes.
    """

    def __init__(self, engine: str) -> None:
        """Prepare; ``start`` starts it. Args: engine: Name of the engine, as in ``engines.ENGINES``."""
        context = multiprocessing.get_context('spawn')
        orders, self._orders = context.Pipe(duplex=False)
        self.news, news = context.Pipe(duplex=False)
        self._theirs = (orders, news)
        self.process = SpawnProcess(target=_obey, args=(engine, orders, news), name='scoutbee-task-server')
        self._is_told = False

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def start(self) -> None:
        """Start it; returns at once."""
        # Python waits for child processes before it exits; this ends ours before that.
        atexit.register(self._discard)
        with hidden_password():
            self.process.start()
        for end in self._theirs:
            end.close()

    def tell(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have it call a function with ``news`` and these arguments; from now on its caller is to end it.

        Args:
            function: What to call, from a module that it can import.
            *arguments: What can be pickled.
        """
        self._is_told = True
        atexit.unregister(self._discard)
        with contextlib.suppress(OSError):  # it died, which whoever looks after it will see
            self._orders.send((function, arguments))
        self._orders.close()

    def _discard(self) -> None:
        if self._is_told or self.process.pid is None:
            return
        atexit.unregister(self._discard)
        self.process.kill()
        self.process.join()
        self._orders.close()
        self.news.close()


def _obey(engine: str, orders: Connection, news: Connection) -> None:
    """What the process does."""
    os.setsid()
    ignore_interrupts()
    from . import engines

    engines.import_engine(engine)
    try:
        function, arguments = orders.recv()
    except EOFError:  # who started it is gone
        os._exit(0)
    orders.close()
    function(news, *arguments)
