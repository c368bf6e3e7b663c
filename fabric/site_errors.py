"""What is wrong with a site, in words that help whoever wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from .providers import PROVIDERS

_PARTS = ("literal['cores']", 'tuple[str, ...]', 'int')
"""How pydantic names the alternatives of a field, in the place where a key of the file would stand."""


def explain(error: ValidationError, site: type[BaseModel], executor: type[BaseModel]) -> str:
    """All that is wrong, as one line.

    Args:
        error: What pydantic found.
        site: Model of a site, whose fields are named where an unknown one stands beside them.
        executor: Model of an executor, likewise.
    """
    problems: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        location = detail['loc']
        message = _message(detail, _fields_beside(location, site, executor))
        came = '' if isinstance(detail['input'], (dict, BaseModel)) else f' is {shown(detail["input"])}'
        field = '.'.join(_keys(location))
        problems.setdefault(f'{field}{came}', []).append(message)
    return '; '.join(
        f'{field}: {" or ".join(messages)}' if field else '; '.join(messages) for field, messages in problems.items()
    )


def shown(value: Any) -> str:
    """A value as it came, cut if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def _message(detail: Any, known: Iterable[str]) -> str:
    kind: str = detail['type']
    if kind == 'extra_forbidden':
        near = difflib.get_close_matches(str(detail['loc'][-1]), known, n=1)
        hint = f' (did you mean {near[0]}?)' if near else ''
        return f'there is no such field{hint}; expected one of {", ".join(known)}'
    if kind.startswith('union_tag'):
        came = detail['input'].get('type')
        told = 'no type is given' if came is None else f'type is {shown(came)}'
        return f'{told}; expected one of {", ".join(PROVIDERS)}'
    if kind == 'string_type':
        return 'expected text; put it in quotes'
    if kind in ('model_type', 'model_attributes_type', 'dict_type'):
        return 'expected fields and their values'
    message: str = detail['msg']
    return message.removeprefix('Value error, ').replace('Input should be', 'expected')


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """A place as the file has it: without the names that pydantic gives to the alternatives of a field."""
    keys = [str(part) for part in location]
    if keys[2:3] == ['provider']:
        return keys[:3] + keys[4:]  # after it stands the type that was chosen
    return [key for key in keys if key not in _PARTS]


def _fields_beside(
    location: tuple[int | str, ...], site: type[BaseModel], executor: type[BaseModel]
) -> Mapping[str, Any]:
    """The fields that may stand at a place of a site's file."""
    if len(location) > 3 and location[2] == 'provider':
        return PROVIDERS[str(location[3])].model_fields
    return (executor if len(location) > 1 else site).model_fields
