"""Serves the page on the loopback interface, until it is interrupted."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from urllib.parse import urlencode

import uvicorn

from .app import make_app
from .follower import Follower
from .hub import Hub

HOST = '127.0.0.1'

CONNECTIONS = 64
"""Most connections at once; more are turned away."""

END_SECONDS = 2
"""How long the end waits for answers that are being sent."""


class PortTakenError(Exception):
    """Another program listens on the port that was asked for."""


def serve(run_dir: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve the page of a run until Ctrl-C or SIGTERM.

    Args:
        run_dir: The run directory.
        port: Where to listen; 0 for any port that is free.
        say: Told the address of the page.

    Raises:
        PortTakenError: If the port cannot be had.
        KeyboardInterrupt: On Ctrl-C, once everything is closed.
    """
    with _listen(port) as listener:
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        hub = Hub(Follower(run_dir))
        config = uvicorn.Config(
            make_app(hub, token, port),
            lifespan='on',
            log_level='warning',
            access_log=False,  # it would write the token down
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=END_SECONDS,
            ws='none',
        )
        say(f'http://{HOST}:{port}/?{urlencode({"token": token})}')
        _Server(config, hub).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends the streams of updates on a signal; the server would wait for them."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._hub.end()
        super().handle_exit(sig, frame)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f'--port: expected a port that is free, got {port}: {error.strerror}. Leave --port out to have one picked.'
        ) from error
    return listener
