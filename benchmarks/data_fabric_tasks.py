"""The task of the data fabric's benchmark, in a module that workers can import."""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass
from typing import Any

from proxystore.proxy import Proxy, extract


@dataclass(frozen=True)
class Look:
    """What a task saw.

    Attributes:
        checksum: CRC-32 of its object.
        seconds: How long it waited for the object after it was called.
        process: Id of the worker's process.
    """

    checksum: int
    seconds: float
    process: int


def look(data: Any) -> Look:
    """Read every byte of an array of bytes, which plain Colmena hands over as a proxy."""
    started = time.perf_counter()
    array = extract(data) if type(data) is Proxy else data
    seconds = time.perf_counter() - started
    return Look(zlib.crc32(array), seconds, os.getpid())
