"""Lines of a text file that may be gzipped, huge, or not text at all.

Nothing here can be made to hold more than one block and one line in memory, whatever the file holds.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from scoutbee.contracts.errors import ConfigurationError

MAX_LINE_BYTES = 65_536
"""Longest line that is looked at. The longest SMILES of a molecule one would compute is a hundred times shorter."""

_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b'\x1f\x8b'


class Block(NamedTuple):
    """Some lines of a file, one after another.

    Attributes:
        first: Number of the first of them, from 1.
        content: The lines, each but the last with its line feed; None for one line that is much too long.
    """

    first: int
    content: bytes | None


def iterate_lines(path: Path, field: str) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a file with their numbers, from 1, without line endings.

    A line longer than ``MAX_LINE_BYTES`` comes as None. What follows the last line feed is a line if it is not empty.

    Args:
        path: The file.
        field: Name of the setting that named it, for messages.

    Raises:
        ConfigurationError: As ``iterate_blocks`` does.
    """
    for first, content in iterate_blocks(path, field):
        lines = [None] if content is None else content.split(b'\n')
        for number, line in enumerate(lines, first):
            yield number, None if line is None else trimmed(line)


def trimmed(line: bytes) -> bytes | None:
    """A line without what other systems put before the line feed; None if it is too long."""
    return None if len(line) > MAX_LINE_BYTES else line.rstrip(b'\r')


def iterate_blocks(path: Path, field: str) -> Iterator[Block]:
    """The lines of a file, about a megabyte at a time.

    Whether it is gzipped is seen from its content, not from its name.

    Args:
        path: The file.
        field: Name of the setting that named it, for messages.

    Raises:
        ConfigurationError: If the file is not there, is not an ordinary file, cannot be read, or is a damaged gzip
            archive.
    """
    try:
        _check_ordinary(path, field)
        with path.open('rb') as raw:
            packed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            first = 1
            for content in _split(cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw):
                yield Block(first, content)
                first += 1 if content is None else content.count(b'\n') + 1
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigurationError(
            f'{field}: {path} is a gzip archive that is damaged or not whole ({error}); fetch or pack it again.'
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f'{field}: expected a file that can be read, got {path} ({error.strerror or error}); give another path.'
        ) from error


def _check_ordinary(path: Path, field: str) -> None:
    # To open a pipe is to wait for its writer, and a device may never end.
    if stat.S_ISREG(path.stat().st_mode):
        return
    kind = 'is a folder' if path.is_dir() else 'is a pipe, a socket or a device'
    raise ConfigurationError(f'{field}: expected a file that can be read, got {path}, which {kind}; give a file.')


def _split(file: BinaryIO) -> Iterator[bytes | None]:
    """Whole lines, without the line feed of the last; None for one that is longer than it may be."""
    rest = b''
    overlong = False
    while block := file.read(_BLOCK_BYTES):
        whole, feed, rest = (rest + block).rpartition(b'\n')
        if feed and overlong:
            yield None
            _, feed, whole = whole.partition(b'\n')
            overlong = False
        if feed:
            yield whole
        if len(rest) > MAX_LINE_BYTES:  # Forget the beginning of a line that is too long already.
            rest, overlong = b'', True
    if rest or overlong:
        yield None if overlong else rest
