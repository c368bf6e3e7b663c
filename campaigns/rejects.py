"""Lines of a person's file that could not be used: counted, and written down for that person to look at."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TextIO

_EXCERPT = 120
HEADER = ('line', 'reason', 'text')


class Rejects:
    """Counts what is rejected and writes it to a CSV file (line number, reason, beginning of the line).

    The file appears with the first rejected line; one of an earlier reading is removed at the start.

    Attributes:
        path: Where they are written; None to count them only.
        reasons: How many were rejected, by reason.
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
            self.path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, line: int, reason: str, text: bytes | str | None = None) -> None:
        """Reject a line; ``text`` is what it holds, None where it was too long to be kept."""
        self.reasons[reason] += 1
        if self.path is None:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open('w', encoding='utf-8', newline='')
            csv.writer(self._file).writerow(HEADER)
        csv.writer(self._file).writerow((line, reason, _excerpt(text)))

    def summary(self) -> str:
        """The reasons with their counts, commonest first."""
        return ', '.join(f'{count:,} {reason}' for reason, count in self.reasons.most_common())


def _excerpt(text: bytes | str | None) -> str:
    if text is None:
        return ''
    if isinstance(text, bytes):
        text = text[: 4 * _EXCERPT].decode('utf-8', 'backslashreplace')
    # Control characters would make the file as unreadable as the line; a leading '=' would run in a spreadsheet.
    shown = ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text[:_EXCERPT])
    return f"'{shown}" if shown[:1] in ('=', '+', '-', '@') else shown
