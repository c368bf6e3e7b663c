"""Runs `run.py` and tells a test which secrets it makes, which nobody else is to see.

python watched_run.py FLAGS, with the file to write them to in WATCHED_RUN_SECRETS
"""

from __future__ import annotations

import functools
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
import zmq.auth

FILE = 'WATCHED_RUN_SECRETS'


_SHORTEST = 16
"""What has fewer bytes is a name."""


def _tell(secret: str | bytes) -> None:
    if len(secret) < _SHORTEST:
        return
    text = secret if isinstance(secret, str) else secret.hex()
    with Path(os.environ[FILE]).open('a') as file:
        file.write(text + '\n')


def _told(make: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(make)
    def made(*args: Any) -> Any:
        secret = make(*args)
        _tell(secret)
        return secret

    return made


def _pair_told(make: Callable[[], tuple[bytes, bytes]]) -> Callable[[], tuple[bytes, bytes]]:
    @functools.wraps(make)
    def made() -> tuple[bytes, bytes]:
        public, secret = make()
        _tell(secret.decode())
        return public, secret

    return made


# Here rather than under the guard below, so that it also holds in the task server, which is spawned; but not in the
# test, which only takes names from here.
if FILE in os.environ:
    secrets.token_urlsafe = _told(secrets.token_urlsafe)
    secrets.token_bytes = _told(secrets.token_bytes)
    zmq.curve_keypair = _pair_told(zmq.curve_keypair)


if __name__ == '__main__':
    from scoutbee.driver.cli import main

    sys.path.remove(str(Path(__file__).resolve().parent))
    sys.exit(main(sys.argv[1:]))
