"""Lines of a person's file that could not be used: counted, and written down for that person to look at."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO

from scoutbee.contracts.errors import ConfigurationError

_EXCERPT = 120
HEADER = ('line', 'reason', 'text')


class Rejects:
    """Counts what is rejected and writes it to a CSV file (line number, reason, beginning of the line).

    The file appears with the first rejected line; one of an earlier reading is removed at the start.

    Attributes:
        path: Where they are written; None to count them only.
        reasons: How many were rejected, by reason.

    Raises:
        ConfigurationError: On entry, from ``add`` and on exit, if the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.reasons: Counter[str] = Counter()
        self._file: TextIO | None = None

    @property
    def count(self) -> int:
        """Number of rejected lines."""
        return self.reasons.total()

    def __enter__(self) -> Rejects:
        if self.path is not None:
            with self._writing(self.path):
                self.path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None and self.path is not None:
            with self._writing(self.path):
                file.close()

    def add(self, line: int, reason: str, text: bytes | str | None = None) -> None:
        """Reject a line; ``text`` is what it holds, None where it was too long to be kept."""
        self.reasons[reason] += 1
        if self.path is None:
            return
        with self._writing(self.path):
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open('w', encoding='utf-8', newline='')
                _put(self._file, HEADER)
            _put(self._file, (line, reason, _excerpt(text)))

    def summary(self) -> str:
        """The reasons with their counts, commonest first."""
        return ', '.join(f'{count:,} {reason}' for reason, count in self.reasons.most_common())

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(
                f'Expected to be able to write the lines that cannot be used to {path}, got '
                f'{error.strerror or error}; free some space, or set XDG_CACHE_HOME to a folder that can be written.'
            ) from error


def _put(file: TextIO, row: Sequence[object]) -> None:
    csv.writer(file).writerow(row)


def _excerpt(text: bytes | str | None) -> str:
    if text is None:
        return ''
    if isinstance(text, bytes):
        text = text[: 4 * _EXCERPT].decode('utf-8', 'backslashreplace')
    # Control characters would make the file as unreadable as the line; a leading '=' would run in a spreadsheet.
    shown = ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text[:_EXCERPT])
    return f"'{shown}" if shown[:1] in ('=', '+', '-', '@') else shown
