"""Ctrl-C and what else tells a driver to stop, and what it means at the moment."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what batch systems and service managers send, and a terminal that is closed."""

_AGAIN_SECONDS = 0.05
"""After so long a signal whose exception was dropped is raised again."""


class Interrupts:
    """Takes the signals that end a run; a context manager, entered in the main thread.

    While nothing irreplaceable is under way (start-up, the report) a signal raises ``KeyboardInterrupt``, once, so that
    what was begun is taken down; further ones change nothing about that. While a campaign runs, a signal tells it to
    end. While what it came to is written down, which is quick, signals are only counted.

    A signal may come while the interpreter is in a place that cannot raise (``__del__``, a weak reference's callback).
    Python drops the exception there; it is raised again a moment later.
    """

    def __init__(self) -> None:
        self._count = 0
        self._action: Callable[[], object] | None = None
        self._raised: KeyboardInterrupt | None = None
        self._again: threading.Timer | None = None
        self._previous: dict[signal.Signals, signal._HANDLER] = {}
        self._unraisable = sys.unraisablehook

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
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._on_unraisable
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._again is not None:
            self._again.cancel()
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._previous:
            sys.unraisablehook = self._unraisable

    def tell(self, action: Callable[[], object]) -> None:
        """From here on a signal calls this, in a thread of its own, and interrupts nothing.

        Raises:
            KeyboardInterrupt: If a signal came before, and what it raised was lost on the way.
        """
        if self._count:
            raise KeyboardInterrupt
        self._action = action

    def hold(self) -> None:
        """From here on signals are only counted."""
        self._action = _nothing

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Inside, a signal raises ``KeyboardInterrupt`` again."""
        action, self._action = self._action, None
        self._raised = None
        try:
            yield
        finally:
            self._action = action

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        is_repeated, self._again = self._again is not None, None
        self._count += not is_repeated
        if self._action is not None:
            # In a thread, because the signal may come while this one holds a lock that the action needs.
            threading.Thread(target=self._action, name='interrupt', daemon=True).start()
        elif self._raised is None or is_repeated:
            self._raised = KeyboardInterrupt()
            raise self._raised

    def _on_unraisable(self, told: sys.UnraisableHookArgs) -> None:
        if self._raised is None or told.exc_value is not self._raised:
            self._unraisable(told)
            return
        # Later, because here it would be dropped again.
        main = threading.main_thread().ident
        self._again = threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, (main, next(iter(self._previous))))
        self._again.daemon = True
        self._again.start()


def _nothing() -> None:
    """The signal is counted."""
