"""Small committed data, and how to fetch the rest (``python -m scoutbee.data.moses``)."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from scoutbee.contracts.errors import ConfigurationError

_ENDINGS = ('.csv', '.csv.gz', '.smi', '.smi.gz')


def names() -> list[str]:
    """Names of the committed data files."""
    return sorted(entry.name for entry in files(__name__).iterdir() if entry.name.endswith(_ENDINGS))


def path(name: str) -> Path:
    """Where a committed data file is.

    Args:
        name: Its name, as ``moses-20k.smi.gz``.

    Raises:
        ConfigurationError: If there is no such file.
    """
    known = names()
    if name not in known:
        raise ConfigurationError(f'Expected a committed data file among {", ".join(known)}; got {name!r}.')
    return Path(str(files(__name__) / name))
