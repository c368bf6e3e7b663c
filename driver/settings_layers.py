"""Where settings come from: defaults, the campaign's YAML, a file of one's own, the environment, the flags."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scoutbee.configs import CAMPAIGNS
from scoutbee.contracts.errors import ConfigurationError

from .errors_text import ABSENT, Location, closest, explain, step_into
from .settings import Settings, flag_of
from .settings_flags import flag_name, parse_flags
from .settings_yaml import parse_value, read_yaml

ENVIRONMENT_PREFIX = 'SCOUTBEE_'
"""What the environment variable of a setting starts with; ``__`` stands before a key of a section."""

PARAMS_FILE = 'params.yaml'
"""Name, in a run directory, of the settings of the run."""

FLAGS_ONLY = tuple(name for name, field in Settings.model_fields.items() if field.exclude)
"""Settings of one start, which no file may hold."""


@dataclass(frozen=True)
class Layer:
    """Settings from one place.

    Attributes:
        source: The place, as the end of a message.
        values: What was set there, by field.
    """

    source: str
    values: Mapping[str, Any]


def load_settings(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from everywhere they come from.

    A resumed run takes its own settings from its directory, then ``--config`` and the flags; neither the campaign's
    YAML nor the environment, which may have changed since.

    Args:
        argv: Arguments without the program's name.
        environ: The environment.

    Raises:
        ConfigurationError: If anything is unknown or has a value that will not do; every such thing is named.
    """
    flags = Layer('the command line', parse_flags(argv))
    return build(layers(flags, environ))


def layers(flags: Layer, environ: Mapping[str, str]) -> list[Layer]:
    """Every layer above the defaults, the strongest last.

    Raises:
        ConfigurationError: If a file cannot be read or there is no such campaign.
    """
    if 'resume' in flags.values:
        own = file_layer(Path(flags.values['resume']) / PARAMS_FILE, '--resume')
        changes = [file_layer(Path(flags.values['config']), '--config')] if 'config' in flags.values else []
        return [own, *changes, flags]
    environment = Layer('the environment', read_environment(environ))
    given = [environment, flags]
    config = flags.values.get('config') or environment.values.get('config')
    if config is not None:
        given.insert(0, file_layer(Path(config), '--config'))
    return [_campaign_layer(given), *given]


def merge(given: Sequence[Layer]) -> dict[str, Any]:
    """Lay layers over each other; a section is merged key by key.

    A layer that changes the surrogate drops the ``model`` section below it, whose keys are those of the other one.
    """
    merged: dict[str, Any] = {}
    for layer in given:
        if layer.values.get('surrogate', merged.get('surrogate')) != merged.get('surrogate'):
            merged.pop('model', None)
        _lay_over(merged, layer.values)
    return merged


def build(given: Sequence[Layer]) -> Settings:
    """Make settings from layers.

    Raises:
        ConfigurationError: If any value will not do; it names each, what came, from where, and what would do.
    """
    values = merge(given)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [
            f'{title(place)}: {text.rstrip(".")} (from {_origin(place, given)}).'
            for place, text in explain(error, Settings, values)
        ]
        raise ConfigurationError('\n'.join(lines)) from None


def title(place: Location | str) -> str:
    """A setting as people meet it: its flag, where it has one, and its key in YAML."""
    steps = (place,) if isinstance(place, str) else place
    key = '.'.join(map(str, steps))
    if len(steps) == 1 and key in Settings.model_fields and flag_of(key) is not None:
        return flag_name(key) if key in FLAGS_ONLY else f'{flag_name(key)} ({key} in YAML)'
    return f'{key} (in YAML)'


def campaigns() -> list[str]:
    """Names of the campaigns there are."""
    return sorted(path.stem for path in CAMPAIGNS.glob('*.yaml'))


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings in the environment.

    Args:
        environ: ``SCOUTBEE_SEARCH_SIZE=40`` sets ``search_size``, ``SCOUTBEE_POLICY__RERANK=ensemble`` a key of a
            section. Variables that resemble no setting belong to someone else.

    Raises:
        ConfigurationError: If a variable is nearly the name of a setting.
    """
    values: dict[str, Any] = {}
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        steps = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split('__')
        if steps[0] in Settings.model_fields:
            _lay_over(values, _nested(steps, environ[variable]))
        elif get_close_matches(steps[0], list(Settings.model_fields), n=1, cutoff=0.8):
            raise ConfigurationError(
                f'{variable} in the environment: there is no such setting; '
                + closest(steps[0], list(Settings.model_fields))
            )
    return values


def file_layer(path: Path, flag: str) -> Layer:
    """The layer of a settings file.

    Args:
        path: The file.
        flag: The flag that named it.

    Raises:
        ConfigurationError: If it cannot be read, or holds a setting that belongs to one start only.
    """
    path = path.expanduser()
    try:
        values = read_yaml(path)
    except ConfigurationError as error:
        raise ConfigurationError(f'{flag}: {error}') from error
    for name in FLAGS_ONLY:
        if name in values:
            raise ConfigurationError(f'{path}: {name} is for one start only; give {flag_name(name)} instead.')
    return Layer(str(path), values)


def _nested(steps: Sequence[str], text: str) -> dict[str, Any]:
    # Keys of `model` have no type of their own here, so their values are read as YAML; so is a whole section.
    section = not flag_of(steps[0]) and isinstance(Settings.model_fields[steps[0]].annotation, type)
    value: Any = text
    if steps[0] == 'model' or (section and len(steps) == 1):
        value = parse_value(text)
    for step in reversed(steps):
        value = {step: value}
    nested: dict[str, Any] = value
    return nested


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _lay_over(below[key], value)
        else:
            below[key] = copy.deepcopy(value)


def _campaign_layer(given: Sequence[Layer]) -> Layer:
    name = merge(given).get('campaign', Settings.model_fields['campaign'].default)
    if name not in campaigns():
        source = _origin(('campaign',), given)
        raise ConfigurationError(
            f'{title("campaign")}: expected one of {", ".join(campaigns())}, got {name!r} (from {source}).'
        )
    path = CAMPAIGNS / f'{name}.yaml'
    return Layer(f'configs/campaigns/{name}.yaml', {'campaign': name, **read_yaml(path)})


def _origin(place: Location, given: Sequence[Layer]) -> str:
    """The strongest layer that sets a place, or that holds what surrounds it."""
    for length in range(len(place), 0, -1):
        for layer in reversed(given):
            if _holds(layer.values, place[:length]):
                return layer.source
    return 'the defaults'


def _holds(values: Any, place: Location) -> bool:
    for step in place:
        values = step_into(values, step)
    return values is not ABSENT
