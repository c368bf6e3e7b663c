"""The live page of a run, served by a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

END_SECONDS = 30.0
"""How long its end is waited for."""


class ServedPage:
    """``python -m scoutbee.analysis watch RUN --serve``, as a person would start and interrupt it; a context manager.

    Attributes:
        address: The whole address of the page.
        port: Where it is served.
        token: What every request must carry.
        process: The server.
    """

    def __init__(self, run_dir: Path, *options: str) -> None:
        """Start it, and wait until it says where it is.

        Args:
            run_dir: The run directory.
            *options: Further flags.
        """
        command = [sys.executable, '-m', 'scoutbee.analysis', 'watch', str(run_dir), '--serve', *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r'http\S+', said)
        if found is None:
            raise RuntimeError(f'Expected the address of a page, got {said!r}{"".join(self.end()[1:])}.')
        self.address = found[0]
        parts = urlsplit(self.address)
        assert parts.port is not None
        self.port = parts.port
        self.token = parse_qs(parts.query)['token'][0]

    def end(self) -> tuple[int, str, str]:
        """Interrupt it; returns its exit status and what else it wrote to its output and errors."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=END_SECONDS)
        return self.process.returncode, out, err

    def __enter__(self) -> ServedPage:
        """The page."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.end()
