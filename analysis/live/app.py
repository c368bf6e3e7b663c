"""The page and what it asks for, as an ASGI application."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from .drawings import drawing
from .guard import Guard
from .hub import Hub

PAGE = Path(__file__).parent / 'page'
"""The page's own files."""

MODULES = ('best', 'charts', 'format', 'moment', 'palette', 'replay', 'story')
"""Scripts that other scripts import; their addresses must carry the token too."""

_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_KEEP = {'Cache-Control': 'private, max-age=86400'}


def make_app(hub: Hub, token: str, port: int) -> ASGIApp:
    """The application, guarded.

    Args:
        hub: What is shown; started and stopped with the application.
        token: What every request must carry.
        port: Where it listens.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        hub.start()
        yield
        await hub.stop()

    async def updates(request: Request) -> Response:
        return StreamingResponse(
            _events(hub), media_type='text/event-stream', headers={'X-Accel-Buffering': 'no', 'Connection': 'close'}
        )

    template = _environment().get_template('index.html')

    async def page(request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        text = template.render(query=urlencode({'token': token}), nonce=nonce, modules=MODULES)
        return HTMLResponse(text, headers={'Content-Security-Policy': _POLICY.format(nonce=nonce)})

    routes = [
        Route('/', page),
        Route('/updates', updates),
        Route('/drawing', _drawing),
        Mount('/assets', StaticFiles(directory=PAGE)),
    ]
    return Guard(Starlette(routes=routes, lifespan=lifespan), token, port)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )


async def _events(hub: Hub) -> AsyncIterator[bytes]:
    async for update in hub.updates():
        yield b'data: %s\n\n' % update if update else b': still here\n\n'


async def _drawing(request: Request) -> Response:
    svg = await asyncio.to_thread(drawing, request.query_params.get('key', ''))
    if svg is None:
        return PlainTextResponse('There is no drawing of this candidate.\n', 404)
    return Response(svg, media_type='image/svg+xml', headers={'Content-Security-Policy': _DRAWING_POLICY, **_KEEP})
