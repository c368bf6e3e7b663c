"""Where a run came from: a list of allowed facts, and nothing else. The environment is none of them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from scoutbee.fabric.sites import usable_cores

DISTRIBUTION = 'scoutbee'

_GIT_SECONDS = 5.0


class Provenance(BaseModel):
    """What is kept about how and where a run was made."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    schema_version: int = Field(default=1, description='Version of this list.')
    recorded: str = Field(description='When, UTC, ISO 8601.')
    scoutbee: str = Field(description='Version of Scoutbee.')
    git_commit: str | None = Field(description='Commit of the source, where it is a checkout.')
    git_changed: bool | None = Field(description='Whether the checkout had changes that are in no commit.')
    arguments: tuple[str, ...] = Field(description='Flags of run.py; secrets cannot be given as flags.')
    python: str = Field(description='Version of Python.')
    implementation: str = Field(description='Which Python.')
    platform: str = Field(description='Operating system, release and architecture.')
    host: str = Field(description='Name of the machine.')
    cpu_count: int = Field(description='Cores this process may use.')
    memory_bytes: int | None = Field(description='Memory of the machine.')
    packages: dict[str, str] = Field(description='Versions of the packages Scoutbee is built on.')


def collect(arguments: Sequence[str]) -> Provenance:
    """The facts about this process.

    Args:
        arguments: Flags of ``run.py``.
    """
    commit, changed = _git(Path(__file__).resolve().parent.parent)
    return Provenance(
        recorded=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        scoutbee=_version(DISTRIBUTION) or 'unknown',
        git_commit=commit,
        git_changed=changed,
        arguments=tuple(arguments),
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=platform.platform(),
        host=platform.node(),
        cpu_count=usable_cores(),
        memory_bytes=_memory(),
        packages={name: version for name in requirements() if (version := _version(name)) is not None},
    )


def requirements() -> list[str]:
    """Names of the distributions that Scoutbee requires on this machine, extras left out."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    names = (re.match(r'[A-Za-z0-9._-]+', line) for line in lines if 'extra ==' not in line)
    return sorted(name.group() for name in names if name is not None)


def missing_requirements() -> list[str]:
    """Names of required distributions that are not installed for this Python."""
    return [name for name in requirements() if _version(name) is None]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> int | None:
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (OSError, ValueError):
        return None


def _git(root: Path) -> tuple[str | None, bool | None]:
    """Commit and whether there are changes; nothing where the folder is no checkout of its own."""
    top = _ask_git(root, 'rev-parse', '--show-toplevel')
    # Installed into an environment that happens to lie in someone's repository, this is no checkout of ours.
    if top is None or Path(top).resolve() != root:
        return None, None
    commit = _ask_git(root, 'rev-parse', '--verify', '--quiet', 'HEAD')
    changes = _ask_git(root, 'status', '--porcelain')
    return commit or None, None if changes is None else bool(changes)


def _ask_git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ['git', '-C', str(root), *arguments], capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
