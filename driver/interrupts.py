"""Ctrl-C and what else tells a driver to stop, and what it means at the moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what batch systems and service managers send, and a terminal that is closed."""


class Interrupts:
    """Takes the signals that end a run; a context manager, entered in the main thread.

    While nothing irreplaceable is under way (start-up, the report) a signal raises ``KeyboardInterrupt``, once, so that
    what was begun is taken down; further ones change nothing about that. While a campaign runs, a signal tells it to
    end. While what it came to is written down, which is quick, signals are only counted.
    """

    def __init__(self) -> None:
        self._count = 0
        self._action: Callable[[], object] | None = None
        self._is_raised = False
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    @property
    def count(self) -> int:
        """Signals that came so far."""
        return self._count

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is not threading.main_thread():
            return self  # signals are for whoever has the main thread
        for number in SIGNALS:
            # With nohup, a run outlives its terminal. (SIGINT is ignored behind every `&` of a script, and yet sent.)
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def tell(self, action: Callable[[], object]) -> None:
        """From here on a signal calls this, in a thread of its own, and interrupts nothing."""
        self._action = action

    def hold(self) -> None:
        """From here on signals are only counted."""
        self._action = _nothing

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Inside, a signal raises ``KeyboardInterrupt`` again."""
        action, self._action = self._action, None
        self._is_raised = False
        try:
            yield
        finally:
            self._action = action

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._action is not None:
            # In a thread, because the signal may come while this one holds a lock that the action needs.
            threading.Thread(target=self._action, name='interrupt', daemon=True).start()
        elif not self._is_raised:
            self._is_raised = True
            raise KeyboardInterrupt


def _nothing() -> None:
    """The signal is counted."""
