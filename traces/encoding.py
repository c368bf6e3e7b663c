"""Records to lines of JSON and back."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from .records import Record

R = TypeVar('R', bound=Record)

NUMBER_MISSING = 'float_type'
"""Pydantic's name for the error of a null where a number must stand."""


def encode(record: Record) -> bytes:
    """One line of JSON, newline included. NaN and infinity become null, since JSON has no word for them."""
    try:
        return record.model_dump_json().encode() + b'\n'
    except (PydanticSerializationError, UnicodeEncodeError):
        # NumPy scalars, odd strings and the like in the free-form fields: rare, so the fast path does not look.
        return json.dumps(plain(record.model_dump()), allow_nan=False).encode() + b'\n'


def decode(line: bytes, record_type: type[R]) -> R:
    """The record on a line; a null where a number must stand is the NaN that :func:`encode` could not write.

    Raises:
        ValueError: If the line holds something else; pydantic's ``ValidationError`` is one.
    """
    try:
        return record_type.model_validate_json(line)
    except ValidationError as error:
        missing = [e['loc'] for e in error.errors() if e['type'] == NUMBER_MISSING and e['input'] is None]
        if not missing:
            raise
    data = json.loads(line)
    for loc in missing:
        holder = data
        for step in loc[:-1]:
            holder = holder[step]
        holder[loc[-1]] = math.nan
    return record_type.model_validate(data)


def plain(value: Any) -> Any:
    """The nearest plain data that JSON can hold: numbers, strings, lists, string-keyed objects and null."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode('utf-8', 'backslashreplace').decode()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode('utf-8', 'backslashreplace')
    return _plain_container(value)


def _plain_container(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if callable(getattr(value, 'tolist', None)):  # NumPy arrays and scalars, without importing NumPy here
        return plain(value.tolist())
    return plain(str(value))
