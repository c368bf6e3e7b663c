"""Lines that hold a SMILES and nothing else, which nearly all lines of a large file do, found a megabyte at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .lines import iterate_blocks, trimmed
from .rows import FIRST_LETTERS, LETTERS, MAX_SMILES, Row, smi_row

_FEED = ord('\n')
_BRACKET, _FOREIGN = 1 << 20, 1 << 40
"""What a square bracket and a character that no SMILES holds weigh, where a round bracket weighs 1: a line that weighs
nothing has only characters of SMILES, and as many brackets of each kind opened as closed."""


@dataclass(frozen=True)
class PlainLines:
    """SMILES that stand one after another, each alone on its line.

    Attributes:
        content: All of them, one after another.
        sizes: Bytes of each; shape (lines,), int64.
        first: Number of the first line.
    """

    content: bytes
    sizes: NDArray[np.int64]
    first: int


def iterate_smi(path: Path, field: str) -> Iterator[PlainLines | Row | None]:
    """The lines of a ``.smi`` file, in order: plain ones many together, others as ``rows.smi_row`` reads them.

    Args:
        path: The file.
        field: Name of the setting that named it, for messages.

    Raises:
        ConfigurationError: If it cannot be read.
    """
    for first, content in iterate_blocks(path, field):
        if content is None:
            yield smi_row(first, None)
        else:
            yield from _parted(first, content.replace(b'\r\n', b'\n'))


def _parted(first: int, content: bytes) -> Iterator[PlainLines | Row | None]:
    letters = np.frombuffer(content + b'\n', dtype=np.uint8)
    ends = np.flatnonzero(letters == _FEED)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    sizes = ends - starts
    others = np.flatnonzero(~_plain(letters, starts, ends, is_beginning=first == 1))
    begin = 0
    for other in [*others.tolist(), len(ends)]:
        if other > begin:
            run = content[starts[begin] : ends[other - 1]]
            yield PlainLines(run.replace(b'\n', b''), sizes[begin:other], first + begin)
        if other < len(ends):
            yield smi_row(first + other, trimmed(content[starts[other] : ends[other]]))
        begin = other + 1


def _plain(
    letters: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], *, is_beginning: bool
) -> NDArray[np.bool_]:
    """Which lines are certainly right by ``rows.check_smiles``; the first of a file may have a mark or be a header."""
    weighed = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(_WEIGHTS[letters])])
    found = (weighed[starts] == weighed[ends]) & _MAY_BEGIN[letters[starts]] & (ends - starts <= MAX_SMILES)
    if is_beginning:
        found[0] = False
    return np.asarray(found)


def _weights() -> NDArray[np.int64]:
    weights = np.full(256, _FOREIGN, dtype=np.int64)
    weights[np.frombuffer(LETTERS.encode(), dtype=np.uint8)] = 0
    weights[_FEED] = 0
    for bracket, weight in (('(', 1), (')', -1), ('[', _BRACKET), (']', -_BRACKET)):
        weights[ord(bracket)] = weight
    return weights


_WEIGHTS = _weights()
_MAY_BEGIN = np.isin(np.arange(256), np.frombuffer(FIRST_LETTERS.encode(), dtype=np.uint8))
