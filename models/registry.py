"""Finds surrogates by name and builds them from settings a person wrote. Cheap to import."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from scoutbee.contracts.errors import ConfigurationError

from .surrogate import Surrogate

SURROGATES: Mapping[str, str] = MappingProxyType(
    {
        'environments': 'environments:Environments',
        'fingerprint': 'fingerprint:Fingerprint',
        'gaussian_process': 'gaussian_process:GaussianProcess',
        'mpnn': 'mpnn:Mpnn',
    }
)
"""Module and class of each surrogate, by name; imported when asked for."""

_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def surrogate_class(name: str) -> type[Any]:
    """The class of a surrogate.

    Raises:
        ConfigurationError: If there is no surrogate of that name.
    """
    if name not in SURROGATES:
        raise ConfigurationError(f'Expected a surrogate that exists ({", ".join(SURROGATES)}), got {name!r}.')
    module, attribute = SURROGATES[name].split(':')
    cls: type[Any] = getattr(import_module(f'.{module}', __package__), attribute)
    return cls


def known_settings(name: str) -> tuple[str, ...]:
    """Names of the settings that a surrogate takes, in the order it declares them.

    Raises:
        ConfigurationError: If there is no surrogate of that name.
    """
    cls = surrogate_class(name)
    if issubclass(cls, BaseModel):
        return tuple(cls.model_fields)
    return tuple(field.name for field in dataclasses.fields(cls) if field.init)


def make_surrogate(name: str, settings: Mapping[str, Any] = _NO_SETTINGS) -> Surrogate:
    """Build a surrogate.

    Args:
        name: One of ``SURROGATES``.
        settings: Keyword settings of its class; what is not given keeps its default.

    Raises:
        ConfigurationError: If the name or a setting is unknown, or a setting's value is not acceptable.
    """
    cls = surrogate_class(name)
    known = known_settings(name)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ConfigurationError(
            f'The surrogate {name!r} has no setting {", ".join(map(repr, unknown))}; it has {", ".join(known)}.'
        )
    try:
        surrogate: Surrogate = cls(**settings)
    except ValidationError as error:
        raise ConfigurationError(_readable(name, error)) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f'The surrogate {name!r} cannot take the settings {dict(settings)}: {error}.'
        ) from error
    return surrogate


def _readable(name: str, error: ValidationError) -> str:
    faults = (
        f'{".".join(map(str, fault["loc"])) or "settings"}: {fault["msg"]}, got {fault["input"]!r}'
        for fault in error.errors()
    )
    return f'The surrogate {name!r} cannot take these settings: {"; ".join(faults)}.'
