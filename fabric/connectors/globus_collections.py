"""Globus collections to keep objects in, as a person writes them down."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from scoutbee.contracts.errors import ConfigurationError


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'expected a regular expression; {error}') from None
    return text


class Collection(BaseModel):
    """A folder in a Globus collection, and where its machines have it."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    host_regex: Annotated[str, AfterValidator(_pattern)] = Field(
        min_length=1, description='Regular expression that fits the names of the machines that have the collection.'
    )
    endpoint_path: str = Field(min_length=1, description='The folder as Globus knows it.')
    local_path: str = Field(min_length=1, description='The same folder as those machines know it.')

    def is_on(self, host: str) -> bool:
        """Whether a machine has the collection."""
        return re.fullmatch(self.host_regex, host) is not None


Collections = dict[str, Collection]
"""Collections by their ids."""

_FILE = TypeAdapter(dict[UUID, Collection])


def read_collections(path: Path) -> Collections:
    """The collections of a file.

    Raises:
        ConfigurationError: If it is not right; the message names file, field, what came and what would do.
    """
    try:
        found = _FILE.validate_python(json.loads(path.read_bytes()))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f'--ps-globus-config: {path} cannot be read: {error}.') from None
    except ValidationError as error:
        raise ConfigurationError(f'--ps-globus-config: {path} is not right: {_explain(error)}.') from None
    except ValueError as error:
        raise ConfigurationError(f'--ps-globus-config: {path} is not JSON: {error}.') from None
    if len(found) < 2:
        raise ConfigurationError(
            f'--ps-globus-config: {path} has {len(found)} collections; expected at least two, between which Globus '
            'keeps the objects.'
        )
    return {str(number): collection for number, collection in found.items()}


def _explain(error: ValidationError) -> str:
    problems = []
    for detail in error.errors(include_url=False):
        place = '.'.join(str(part) for part in detail['loc'] if part != '[key]')
        message = detail['msg'].removeprefix('Value error, ').replace('Input should be', 'expected')
        if detail['type'] == 'extra_forbidden':
            message = f'there is no such field; expected {", ".join(Collection.model_fields)}'
        if detail['loc'][-1:] == ('[key]',):
            message = f'expected the id of a collection, such as those that app.globus.org shows; {message}'
        problems.append(f'{place}: {message}' if place else message)
    return '; '.join(problems)
