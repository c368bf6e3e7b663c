"""Settings files: YAML that is read strictly and written so that it reads back the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scoutbee.configs.strict_yaml import StrictDumper, StrictLoader, problem_of
from scoutbee.contracts.errors import ConfigurationError

from .settings import Settings

LARGEST_BYTES = 1_000_000
"""A settings file is written by a person; what is larger is something else."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a settings file.

    Args:
        path: The file.

    Returns:
        Its keys and values; nothing for an empty file.

    Raises:
        ConfigurationError: If it cannot be read, is not YAML, or is not keys and values.
    """
    try:
        values = yaml.load(_content(path), Loader=StrictLoader)
    except OSError as error:
        raise ConfigurationError(f'{path}: expected a YAML file that can be read: {error.strerror}.') from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ConfigurationError(f'{path}: expected YAML, got something else: {problem_of(error)}.') from error
    except RecursionError as error:
        raise ConfigurationError(f'{path}: expected YAML, got something nested too deeply.') from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigurationError(
            f'{path}: expected lines like "search_size: 100", got {type(values).__name__} {str(values)[:60]!r}.'
        )
    return values


def _content(path: Path) -> bytes:
    with path.open('rb') as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ConfigurationError(f'{path}: expected a settings file, got more than {LARGEST_BYTES:,} bytes.')
    return content


def parse_value(text: str) -> Any:
    """One value as it would be read from a settings file; text that is not YAML stays as it is."""
    try:
        return yaml.load(text, Loader=StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def dump_params(settings: Settings) -> str:
    """The settings as YAML that can be given back to ``--config``.

    What concerns one start only (``--config``, ``--resume``, ``--dry-run``, ``--quiet``) is left out. There are no
    secrets in it: settings hold none.
    """
    return yaml.dump(settings.model_dump(mode='json'), Dumper=StrictDumper, sort_keys=False, allow_unicode=True)
