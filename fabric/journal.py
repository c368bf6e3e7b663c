"""What a driver keeps where nothing can list it, noted before it is put there, so that it is found after a crash."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Note:
    """Something that outlives the driver.

    Attributes:
        backend: Name of the backend that keeps it.
        name: Its name.
        place: What else is needed to find it.
        config: What makes the connector that can remove it; nothing secret, and plain data that JSON can hold.
    """

    backend: str
    name: str
    place: tuple[str, ...]
    config: Mapping[str, Any]


class Journal:
    """A file of one line for each thing that is put somewhere and each that is gone again.

    A line is handed to the operating system before anyone acts on it. Safe to use from several threads, and through
    several objects.
    """

    def __init__(self, path: Path) -> None:
        """Args: path: The file; made, with its folder, by the first note."""
        self._path = path
        self._lock = threading.Lock()

    def note(self, note: Note) -> None:
        """Something is about to be put somewhere.

        Raises:
            OSError: If that cannot be written down.
        """
        self._append([note.backend, note.name, note.place, note.config])

    def strike(self, backend: str, name: str) -> None:
        """It is gone again.

        Raises:
            OSError: If that cannot be written down.
        """
        self._append([backend, name])

    def standing(self) -> list[Note]:
        """What was noted and not struck. A line that a crash cut short was not acted on."""
        found: dict[tuple[str, str], Note] = {}
        for line in self._lines():
            try:
                backend, name, *rest = json.loads(line)
            except ValueError:
                continue
            if rest:
                place, config = rest
                found[backend, name] = Note(backend, name, tuple(place), config)
            else:
                found.pop((backend, name), None)
        return list(found.values())

    def remove(self) -> None:
        """Remove the file; harmless if there is none."""
        self._path.unlink(missing_ok=True)

    def _append(self, entry: list[Any]) -> None:
        line = (json.dumps(entry) + '\n').encode()
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)

    def _lines(self) -> Iterable[str]:
        try:
            return self._path.read_text(encoding='utf-8', errors='replace').splitlines()
        except FileNotFoundError:
            return ()
