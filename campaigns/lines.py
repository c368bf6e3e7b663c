"""Lines of a text file that may be gzipped, huge, or not text at all.

Nothing here can be made to hold more than one block and one line in memory, whatever the file holds.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from scoutbee.contracts.errors import ConfigurationError

MAX_LINE_BYTES = 65_536
"""Longest line that is looked at. The longest SMILES of a molecule one would compute is a hundred times shorter."""

_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b'\x1f\x8b'


def iterate_lines(path: Path, field: str) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a file with their numbers, from 1, without line endings.

    Whether it is gzipped is seen from its content, not from its name. A line longer than ``MAX_LINE_BYTES`` comes as
    None. What follows the last line feed is a line if it is not empty.

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
            yield from enumerate(_split(cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw), start=1)
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
    rest = b''
    overlong = False
    while block := file.read(_BLOCK_BYTES):
        lines = (rest + block).split(b'\n')
        rest = lines.pop()
        for line in lines:
            yield None if overlong or len(line) > MAX_LINE_BYTES else line.rstrip(b'\r')
            overlong = False
        if len(rest) > MAX_LINE_BYTES:  # Forget the beginning of a line that is too long already.
            rest, overlong = b'', True
    if rest or overlong:
        yield None if overlong or len(rest) > MAX_LINE_BYTES else rest.rstrip(b'\r')
