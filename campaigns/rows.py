"""Rows of a ``.smi`` or ``.csv`` file of molecules: what is in each line, or why it cannot be used.

A line of a file is a row of the table: quoted line breaks are not supported, so that one stray quotation mark costs
one row and not the rest of the file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_letters, digits
from typing import NamedTuple

from scoutbee.contracts.errors import ConfigurationError

from .lines import MAX_LINE_BYTES, iterate_lines

SMILES_COLUMN = 'smiles'
FORMATS = ('.smi', '.csv', '.smi.gz', '.csv.gz')

MAX_SMILES = 4_096
"""Longest SMILES, in characters, that is looked at. It is far beyond what can be simulated, and what RDKit takes to
parse and describe a molecule grows with the square of its length: half a second here, minutes at ten times as many."""

OVERLONG = f'longer than {MAX_LINE_BYTES:,} bytes'
NOT_TEXT = 'not UTF-8 text'
NUL = 'with NUL bytes'
CARRIAGE = 'with carriage returns inside'
NO_SMILES = 'without a SMILES'
COLUMNS = 'with another number of columns than the header'
NOT_SMILES = 'not written as SMILES'
BRACKETS = 'with unbalanced brackets'
LONG_SMILES = f'with a SMILES longer than {MAX_SMILES:,} characters'

FIRST_LETTERS = f'{ascii_letters}[*'
LETTERS = f'{FIRST_LETTERS}{digits}@+-]()=#$:/\\%.~'
"""Characters with which a SMILES begins, and those that it may hold."""

_SMILES = re.compile(f'[{re.escape(FIRST_LETTERS)}][{re.escape(LETTERS)}]*').fullmatch
_DELIMITERS = (',', ';', '\t')


class Row(NamedTuple):
    """One line that is not blank.

    Attributes:
        line: Its number in the file, from 1.
        smiles: Its SMILES; empty where the line is rejected.
        value: The text of the value column, where one was asked for.
        reason: Why the line is rejected, or None.
        text: The line itself; None where it was too long to be kept.
    """

    line: int
    smiles: str
    value: str
    reason: str | None
    text: bytes | None


Parse = Callable[[str], tuple[str, str] | None]
"""Turns a line into (smiles, value), or None where it has another number of columns than the header."""


def iterate_rows(path: Path, field: str, value_column: str | None = None) -> Iterator[Row | None]:
    """The rows of a file, in order; None stands for a blank line, a comment or a header.

    Args:
        path: A file of one of ``FORMATS``. In ``.smi`` a line is a SMILES and, after white space, a name that is
            ignored; a line that begins with ``#`` is a comment. In ``.csv`` the header names the columns (comma,
            semicolon or tab between them), one of which is ``smiles``, upper or lower case; others are ignored.
        field: Name of the setting that named the file, for messages.
        value_column: Another column to read, of a ``.csv``.

    Raises:
        ConfigurationError: If the file's format is unknown, it cannot be read, or a column is not there.
    """
    if not is_table(path, field):
        if value_column is not None:
            raise ConfigurationError(
                f'{field}: expected a .csv file with the columns {SMILES_COLUMN} and {value_column}, got {path}.'
            )
        yield from (smi_row(number, line) for number, line in iterate_lines(path, field))
        return
    parse: Parse | None = None
    for number, line in iterate_lines(path, field):
        reason, text = _as_text(line, first=number == 1)
        if reason is not None:
            if parse is None and not (line or b'').startswith(b'#'):
                raise ConfigurationError(_bad_header(path, field, reason))
            yield Row(number, '', '', reason, line)
        elif not text.strip() or (text[0] == '#' and parse is None):
            yield None
        elif parse is None:
            parse = _table_parser(text, path, field, value_column)
            yield None
        else:
            yield _row(number, line, parse(text))
    if parse is None:
        raise ConfigurationError(_bad_header(path, field, 'without text'))


def smi_row(number: int, line: bytes | None) -> Row | None:
    """A line of a ``.smi`` file; None where it is blank, a comment or a header."""
    reason, text = _as_text(line, first=number == 1)
    if reason is not None:
        return Row(number, '', '', reason, line)
    if not text.strip() or text[0] == '#':
        return None
    smiles = text.split(None, 1)[0]
    return None if number == 1 and smiles.lower() == SMILES_COLUMN else _row(number, line, (smiles, ''))


def check_smiles(smiles: str) -> str | None:
    """Why a text cannot be SMILES, as far as can be seen without chemistry; None where it may be."""
    if not smiles:
        return NO_SMILES
    if _SMILES(smiles) is None:
        return NOT_SMILES
    if len(smiles) > MAX_SMILES:
        return LONG_SMILES
    balanced = smiles.count('(') == smiles.count(')') and smiles.count('[') == smiles.count(']')
    return None if balanced else BRACKETS


def _bad_header(path: Path, field: str, reason: str) -> str:
    return (
        f'{field}: expected a header with a column {SMILES_COLUMN} as the first line of {path}, got a line {reason}; '
        'save the file as UTF-8 text with a header.'
    )


def is_table(path: Path, field: str) -> bool:
    """Whether a file is one of rows and columns, by its name.

    Raises:
        ConfigurationError: If it is of none of ``FORMATS``.
    """
    name = path.name.lower().removesuffix('.gz')
    if not name.endswith(('.smi', '.csv')):
        raise ConfigurationError(f'{field}: expected a file named *{", *".join(FORMATS)}, got {path}.')
    return name.endswith('.csv')


def _as_text(line: bytes | None, first: bool) -> tuple[str | None, str]:
    if line is None:
        return OVERLONG, ''
    try:
        text = line.decode('utf-8-sig' if first else 'utf-8')
    except UnicodeDecodeError:
        return NOT_TEXT, ''
    for mark, reason in (('\0', NUL), ('\r', CARRIAGE)):
        if mark in text:
            return reason, ''
    return None, text


def _row(number: int, line: bytes | None, cells: tuple[str, str] | None) -> Row:
    if cells is None:
        return Row(number, '', '', COLUMNS, line)
    smiles, value = cells
    reason = check_smiles(smiles)
    return Row(number, '' if reason else smiles, value, reason, line)


def _table_parser(header: str, path: Path, field: str, value_column: str | None) -> Parse:
    names, delimiter = _header(header)
    wanted = [SMILES_COLUMN] if value_column is None else [SMILES_COLUMN, value_column]
    missing = [name for name in wanted if name.lower() not in names]
    if missing:
        shown = ', '.join(names)[:200]
        raise ConfigurationError(
            f'{field}: expected a column {" and ".join(missing)} in the header of {path}, got the columns {shown}; '
            f'name the columns in the first line.'
        )
    smiles = names.index(SMILES_COLUMN)
    value = None if value_column is None else names.index(value_column.lower())
    width = len(names)

    def parse(text: str) -> tuple[str, str] | None:
        cells = _cells(text, delimiter)
        if len(cells) != width:
            return None
        return cells[smiles].strip(), '' if value is None else cells[value].strip()

    return parse


def _header(text: str) -> tuple[list[str], str]:
    candidates = [([cell.strip().lower() for cell in _cells(text, d)], d) for d in _DELIMITERS]
    return next((found for found in candidates if SMILES_COLUMN in found[0]), candidates[0])


def _cells(text: str, delimiter: str) -> list[str]:
    if '"' not in text:
        return text.split(delimiter)
    # What csv refuses does not come this far: long cells, NUL bytes and carriage returns.
    return next(csv.reader([text], delimiter=delimiter))
