"""What the types of the settings cannot say: files that must be there, and settings that contradict each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from scoutbee.contracts.errors import ConfigurationError

from .settings import Settings
from .settings_layers import title
from .settings_resume import check_resume

SURROGATES_FOR: Mapping[str, tuple[str, ...]] = {
    'molecules': ('mpnn', 'environments', 'fingerprint'),
    'ackley': ('gaussian_process',),
}
"""Surrogates that can read the candidates of each campaign: SMILES, or points."""


_EVERYWHERE = ('0.0.0.0', '::', '*')


def check_settings(settings: Settings) -> None:
    """Check what is known before anything is started; nothing is changed on disk.

    Args:
        settings: The settings.

    Raises:
        ConfigurationError: If anything will not do; it names all that was found.
    """
    checks: tuple[Callable[[Settings], Iterator[str]], ...] = (
        _engine,
        _surrogate,
        _backends,
        _input_files,
        _output_folders,
        _problem,
        check_resume,
    )
    problems = [problem for check in checks for problem in check(settings)]
    if problems:
        raise ConfigurationError('\n'.join(problems))


def _engine(settings: Settings) -> Iterator[str]:
    given = [name for name in ('qc_endpoint', 'ml_endpoint') if getattr(settings, name)]
    if len(given) == 1:
        lacking = 'ml_endpoint' if given == ['qc_endpoint'] else 'qc_endpoint'
        yield f'{title(given[0])}: expected {title(lacking)} beside it, got only one of the two endpoints.'
    if given and settings.engine not in (None, 'globus'):
        yield (
            f'{title(given[0])}: an endpoint is for the globus engine, got --engine {settings.engine}; leave one of '
            'them out.'
        )
    if settings.nodes_per_task > 1:
        yield (
            f'{title("nodes_per_task")}: expected 1, got {settings.nodes_per_task}: no simulation of this version runs '
            'on more than one node. Blocks of several nodes are asked for in the site (nodes_per_block).'
        )


def _surrogate(settings: Settings) -> Iterator[str]:
    fit = SURROGATES_FOR.get(settings.campaign, ())
    if fit and settings.surrogate not in fit:
        yield (
            f'{title("surrogate")}: expected {" or ".join(fit)} with the campaign {settings.campaign}, got '
            f'{settings.surrogate}, which cannot read its candidates.'
        )


def _backends(settings: Settings) -> Iterator[str]:
    needs: Mapping[str, str] = {'globus': 'ps_globus_config', 'endpoint': 'ps_endpoints'}
    for topic, backend in settings.backends().items():
        name = needs.get(backend)
        if name is not None and not getattr(settings, name):
            yield f'{title(f"{topic}_ps_backend")}: {backend} needs {title(name)}, which is not given.'
    if settings.driver_address in _EVERYWHERE:
        yield (
            f'{title("driver_address")}: expected one address of this machine, got {settings.driver_address}, which '
            'means all of them; name the one on the network of the workers.'
        )


def _input_files(settings: Settings) -> Iterator[str]:
    if settings.campaign == 'molecules':
        if settings.search_space is None:
            yield f'{title("search_space")}: expected a file with molecules to search, got none.'
        yield from _data('search_space', settings)
        yield from _data('training_set', settings)
    yield from _readable('ps_globus_config', settings.ps_globus_config)
    if settings.mpnn_model_path is not None and not settings.mpnn_model_path.exists():
        yield f'{title("mpnn_model_path")}: expected a saved ensemble, got nothing at {settings.mpnn_model_path}.'


def _data(name: Literal['search_space', 'training_set'], settings: Settings) -> Iterator[str]:
    try:
        yield from _readable(name, settings.file(name))
    except ConfigurationError as error:
        yield f'{title(name)}: {error}'


def _readable(name: str, path: Path | None) -> Iterator[str]:
    if path is None:
        return
    came = f'{title(name)}: expected a file that can be read, got {path}'
    if path.is_dir():
        yield f'{came}, which is a folder.'
        return
    try:
        with path.open('rb') as file:
            empty = not file.read(1)
    except (OSError, ValueError) as error:
        yield f'{came}: {getattr(error, "strerror", None) or error}.'
        return
    if empty:
        yield f'{came}, which is empty.'


def _output_folders(settings: Settings) -> Iterator[str]:
    for name, folder in (('runs_dir', settings.runs_dir), ('ps_file_dir', settings.ps_file_dir)):
        if folder is None:
            continue
        standing = next((path for path in (folder, *folder.parents) if path.exists()), None)
        if standing is None or not standing.is_dir():
            yield f'{title(name)}: expected a folder, or a place for one, got {folder}: {standing} is not a folder.'
        elif not os.access(standing, os.W_OK | os.X_OK):
            yield f'{title(name)}: expected a folder that can be written, got {folder}: {standing} is read-only.'


def _problem(settings: Settings) -> Iterator[str]:
    if settings.campaign == 'ackley' and settings.search_size > settings.ackley.points:
        yield (
            f'{title("search_size")}: expected at most the {settings.ackley.points} points of ackley.points, '
            f'got {settings.search_size}.'
        )
