"""The live view of a running campaign.

It has a thread of its own and is only ever handed things: whoever reports an event does not wait for the terminal, and
a terminal that is slow, stopped or gone costs the campaign nothing.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TextIO

from scoutbee.contracts.candidates import Objective
from scoutbee.contracts.progress import Progress

from .terminal_text import (
    TimeLeft,
    best_text,
    busy_text,
    clock,
    found_text,
    model_text,
    plain_line,
    trouble_text,
    update_text,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

Level = Literal['info', 'warning', 'error']

LIVE_SECONDS = 0.5
"""How often a terminal is redrawn."""

LINE_SECONDS = 5.0
"""How often a line is written where the output is no terminal."""

CLOSE_SECONDS = 2.0
"""How long the end of a campaign waits for the terminal to take the last of it."""

KEPT_EVENTS = 1000
"""Events that wait for a terminal that does not take them; older ones are dropped."""

_STYLES = {'info': '', 'warning': 'yellow', 'error': 'bold red'}


class TerminalView:
    """Shows a campaign while it runs; a context manager."""

    def __init__(
        self,
        progress: Callable[[], Progress],
        objective: Objective,
        campaign_name: str,
        stream: TextIO | None = None,
        quiet: bool = False,
        time_left: TimeLeft | None = None,
    ) -> None:
        """Prepare; nothing is shown before the context is entered.

        Args:
            progress: Looks at the campaign; called from the view's own thread.
            objective: What the campaign looks for.
            campaign_name: Its name.
            stream: Where to; standard output if not given.
            quiet: Show errors only.
            time_left: What is known of the pace before the view begins.
        """
        self._progress = progress
        self._objective = objective
        self._name = campaign_name
        self._stream = stream if stream is not None else sys.stdout
        self._quiet = quiet
        self._events: deque[tuple[str, Level]] = deque(maxlen=KEPT_EVENTS)
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._time_left = time_left or TimeLeft()
        self._thread = threading.Thread(target=self._run, name='terminal-view', daemon=True)

    def event(self, message: str, level: Level = 'info') -> None:
        """Show one line; returns at once.

        Args:
            message: A sentence.
            level: How bad it is.
        """
        if self._quiet and level != 'error':
            return
        self._events.append((message, level))
        if level != 'info':
            self._wake.set()

    def __enter__(self) -> TerminalView:
        """Begin to show."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last state and stop; does not wait for a terminal that takes nothing."""
        self._ending.set()
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            if self._is_terminal() and not self._quiet:
                self._show_live()
            else:
                self._show_lines()
        except (OSError, ValueError):
            # The terminal is gone, or the stream was closed. The campaign does not need it.
            self._quiet = True
            self._events.clear()

    def _is_terminal(self) -> bool:
        return bool(getattr(self._stream, 'isatty', lambda: False)())

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _show_lines(self) -> None:
        """Events as they come, and a line of progress now and then."""
        last = -LINE_SECONDS
        while True:
            ending = self._ending.is_set()
            self._write_events()
            progress = self._progress()
            left = self._time_left.estimate(progress)
            if not self._quiet and (ending or progress.elapsed - last >= LINE_SECONDS):
                last = progress.elapsed
                self._write(plain_line(progress, self._objective, left))
            if ending:
                return
            self._pause(LINE_SECONDS)

    def _write_events(self) -> None:
        while self._events:
            message, level = self._events.popleft()
            self._write(message if level == 'info' else f'{level}: {message}')

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def _show_live(self) -> None:
        from rich.live import Live

        from .terminal_console import PatientConsole

        console = PatientConsole(file=self._stream)
        with ExitStack() as stack:
            live = stack.enter_context(
                Live(self._panel(), console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            )
            while not self._ending.is_set():
                self._redraw(console, live)
                self._pause(LIVE_SECONDS)
            self._redraw(console, live)

    def _redraw(self, console: Console, live: Live) -> None:
        from rich.text import Text

        while self._events:
            message, level = self._events.popleft()
            console.print(Text(message if level == 'info' else f'{level}: {message}', style=_STYLES[level]))
        live.update(self._panel(), refresh=True)

    def _panel(self) -> RenderableType:
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        progress = self._progress()
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(style='bold', no_wrap=True)
        table.add_column(ratio=1, overflow='ellipsis', no_wrap=True)
        table.add_row('', ProgressBar(total=progress.search_size, completed=progress.succeeded))
        for name, text in self._rows(progress):
            table.add_row(name, Text(text))
        return Panel(table, title=f'scoutbee: {self._name}', title_align='left')

    def _rows(self, progress: Progress) -> list[tuple[str, str]]:
        left = self._time_left.estimate(progress)
        rows = [
            ('simulations', f'{progress.succeeded} of {progress.search_size} done, {progress.in_flight} in flight'),
            ('best', best_text(progress.best, self._objective)),
            ('found', found_text(progress, self._objective)),
            ('trouble', trouble_text(progress)),
            ('buffer', f'{progress.buffered} ready'),
            ('models', model_text(progress)),
            ('update', update_text(progress)),
            ('busy', busy_text(progress)),
            ('time', f'{clock(progress.elapsed)} passed, about {clock(left)} left'),
        ]
        return [(name, text) for name, text in rows if text is not None]
