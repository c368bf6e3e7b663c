"""rich's console, less its habit of ending the program when no one reads it."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class PatientConsole(Console):
    """A console that lets whoever prints decide what a reader who is gone means."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise, where rich would end the program."""
        self.quiet = True
        raise BrokenPipeError('No one reads this output any more.')
