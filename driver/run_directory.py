"""The directory of one run: made, named, locked, and given its settings, provenance and log.

Its other files are written by those who know what is in them; `runs/README.md` lists them all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from scoutbee.contracts.errors import ConfigurationError

from .provenance import collect
from .run_lock import RunLock
from .settings import Settings
from .settings_layers import PARAMS_FILE
from .settings_yaml import dump_params

PROVENANCE_FILE = 'provenance.json'
LOG_FILE = 'runtime.log'

_STAMP = '%Y%m%dT%H%M%SZ'


class RunDirectory:
    """A run directory that this process, and no other, may write.

    Made by ``create`` or ``reopen``; a context manager that closes it.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        """Lock a directory that exists.

        Args:
            path: The directory.
            say: Told, in a sentence, what takes long.

        Raises:
            ConfigurationError: If another driver holds it.
        """
        self.path = path.resolve()
        self._lock = RunLock(self.path, say)
        self._handler: logging.Handler | None = None
        self._formatter = _Redacting('%(asctime)s %(levelname)-7s %(name)s: %(message)s')

    @classmethod
    def create(cls, settings: Settings, arguments: Sequence[str] = ()) -> RunDirectory:
        """Make the directory of a new run, with its settings and its provenance.

        Args:
            settings: The settings of the run.
            arguments: Flags of ``run.py``, for the provenance.

        Raises:
            ConfigurationError: If it cannot be made.
        """
        try:
            directory = cls(_make(settings), _say_nothing)
            directory.record(settings, PROVENANCE_FILE, arguments)
        except OSError as error:
            raise ConfigurationError(
                f'--runs-dir: expected a folder that can be written, got {settings.runs_dir}: {error.strerror}.'
            ) from error
        return directory

    @classmethod
    def reopen(
        cls, path: Path, settings: Settings, arguments: Sequence[str] = (), say: Callable[[str], None] | None = None
    ) -> RunDirectory:
        """Open the directory of a run that goes on; from here on it has these settings.

        Args:
            path: The directory.
            settings: The settings of the run, those that were changed among them.
            arguments: Flags of ``run.py``, for the provenance.
            say: Told, in a sentence, what takes long.

        Raises:
            ConfigurationError: If it is no run directory or another driver holds it.
        """
        if not (path / PARAMS_FILE).is_file():
            raise ConfigurationError(f'--resume: expected a run directory with a {PARAMS_FILE}, got {path}.')
        try:
            directory = cls(path, say or _say_nothing)
            directory.record(settings, f'provenance-resumed-{_stamp()}.json', arguments)
        except OSError as error:
            raise ConfigurationError(
                f'--resume: expected a run directory that can be written, got {path}: {error.strerror}.'
            ) from error
        return directory

    def record(self, settings: Settings, name: str, arguments: Sequence[str]) -> None:
        """Write down the settings, and where this process comes from; where that fails, give the directory back.

        Args:
            settings: The settings of the run.
            name: Name of the file with the provenance.
            arguments: Flags of ``run.py``, for the provenance.
        """
        try:
            _write(self.path / name, collect(arguments).model_dump_json(indent=2) + '\n')
            _write(self.path / PARAMS_FILE, dump_params(settings))  # last: with it, the run can be gone on with
        except BaseException:
            self.close()
            raise

    def log(self, level: int = logging.INFO) -> None:
        """Send the log of this process to ``runtime.log``, until ``close``."""
        if self._handler is not None:
            return
        handler = _LogFile(self.path / LOG_FILE, encoding='utf-8')
        handler.setFormatter(self._formatter)
        handler.setLevel(level)
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(min(root.level, level) if root.level else level)
        self._handler = handler

    def hide(self, secret: str) -> None:
        """Never let this text into ``runtime.log``, whoever logs it."""
        self._formatter.secrets.add(secret)

    def close(self) -> None:
        """Stop logging and give the lock back; harmless twice."""
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler.close()
            self._handler = None
        self._lock.release()

    def __enter__(self) -> RunDirectory:
        """The directory itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class _LogFile(logging.FileHandler):
    """A log that does without what it cannot write, on a full disk say: a campaign does not fail over its log."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Not a traceback on the screen for every line."""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


class _Redacting(logging.Formatter):
    """Blots out secrets, in messages and in tracebacks."""

    def __init__(self, form: str) -> None:
        super().__init__(form)
        self.secrets: set[str] = set()

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return datetime.fromtimestamp(record.created, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in filter(None, self.secrets):
            text = text.replace(secret, '***')
        return text


def run_name(settings: Settings, stamp: str) -> str:
    """The name of a run's directory.

    Args:
        settings: The settings of the run.
        stamp: When it began.

    Returns:
        ``<campaign>-<site>-<hash>-<stamp>``; the hash is the same for the same settings, wherever runs are kept.
    """
    params = settings.model_dump(mode='json', exclude={'runs_dir'})
    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:8]
    site = re.sub(r'[^A-Za-z0-9_.]+', '_', Path(settings.site).name.removesuffix('.yaml').removesuffix('.yml'))
    return f'{settings.campaign}-{site}-{digest}-{stamp}'


def _make(settings: Settings) -> Path:
    settings.runs_dir.mkdir(parents=True, exist_ok=True)
    name = run_name(settings, _stamp())
    for number in range(1, sys.maxsize):
        # Two runs with the same settings may begin in the same second.
        path = settings.runs_dir / (name if number == 1 else f'{name}-{number}')
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError('unreachable')


def _stamp() -> str:
    return datetime.now(timezone.utc).strftime(_STAMP)


def _say_nothing(sentence: str) -> None:
    """Nobody listens."""


def _write(path: Path, text: str) -> None:
    # In one step, so that no one finds half a file.
    draft = path.with_name(f'.{path.name}.draft')
    draft.write_text(text, encoding='utf-8')
    draft.replace(path)
