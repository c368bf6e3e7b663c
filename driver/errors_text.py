"""Readable lines from what pydantic finds wrong: what was expected, what came, and from where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple['int | str', ...]

ABSENT = object()
"""Stands for what is not there."""

_EXPECTED: Mapping[str, str] = {
    'bool_parsing': 'true or false',
    'bool_type': 'true or false',
    'dict_type': 'keys and values',
    'finite_number': 'a finite number',
    'float_parsing': 'a number',
    'float_type': 'a number',
    'int_from_float': 'a whole number',
    'int_parsing': 'a whole number',
    'int_parsing_size': 'a whole number that is not so large',
    'int_type': 'a whole number',
    'invalid-json-value': 'a plain value',
    'model_type': 'keys and values',
    'path_type': 'a path',
    'string_type': 'text',
    'tuple_type': 'a list',
}
"""What each of pydantic's errors asks for, where the type of the error says all."""


def explain(error: ValidationError, model: type[BaseModel], values: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """Say what is wrong with each value.

    Args:
        error: What pydantic found.
        model: The model that was asked for.
        values: What it was given.

    Returns:
        Where in the values, and ``expected …, got …``; one for each place.
    """
    found: dict[Location, str] = {}
    for item in error.errors(include_url=False):
        found.setdefault(_real(item, values), _sentence(item, model))
    # A value that fits no member of a union is reported for each of them; the deepest place says most.
    return [(place, text) for place, text in found.items() if not any(_above(place, other) for other in found)]


def closest(word: str, known: Sequence[str]) -> str:
    """What to suggest for a word that is not known, as the end of a sentence."""
    near = get_close_matches(word.lower(), known, n=1)
    return f'did you mean {near[0]}?' if near else f'known are {", ".join(known)}.'


def step_into(values: Any, step: int | str) -> Any:
    """What plain data holds under a key or an index, or ``ABSENT``."""
    if isinstance(values, Mapping):
        return values.get(step, ABSENT)
    if isinstance(values, list | tuple) and isinstance(step, int) and step < len(values):
        return values[step]
    return ABSENT


def brief(value: Any) -> str:
    """A value as a person wrote it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:77]}...'


def _above(place: Location, other: Location) -> bool:
    return len(place) < len(other) and other[: len(place)] == place


def _real(item: ErrorDetails, values: Any) -> Location:
    """Where it is in the values, without pydantic's names for the members of a union."""
    kept: list[int | str] = []
    for step in item['loc']:
        inner = step_into(values, step)
        if inner is not ABSENT:
            values = inner
            kept.append(step)
    return (*kept, item['loc'][-1]) if item['type'] == 'missing' else tuple(kept)


def _sentence(item: ErrorDetails, model: type[BaseModel]) -> str:
    if item['type'] == 'extra_forbidden':
        return f'there is no such setting; {closest(str(item["loc"][-1]), _siblings(model, item["loc"]))}'
    if item['type'] == 'missing':
        return 'expected a value, got none.'
    return f'expected {_expected(item)}, got {brief(item["input"])}.'


def _expected(item: ErrorDetails) -> str:
    kind, context = item['type'], item.get('ctx', {})
    bounds: Mapping[str, Callable[[], str]] = {
        'greater_than': lambda: f'more than {context["gt"]:g}',
        'greater_than_equal': lambda: f'at least {context["ge"]:g}',
        'less_than': lambda: f'less than {context["lt"]:,}',
        'less_than_equal': lambda: f'at most {context["le"]:,}',
        'literal_error': lambda: str(context['expected']).replace("'", ''),
        'string_too_short': lambda: 'something that is not empty',
    }
    if kind in bounds:
        return bounds[kind]()
    return _EXPECTED.get(kind) or f'something else ({item["msg"]})'


def _siblings(model: type[BaseModel], location: Location) -> list[str]:
    """The names that exist where an unknown one was found."""
    for step in location[:-1]:
        if not isinstance(step, str) or step not in model.model_fields:
            continue
        model = next(_models(model.model_fields[step].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Any:
    """Every model that an annotation names, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
