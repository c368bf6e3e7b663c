"""Who may see the page: whoever was given its address, on this machine."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STRICT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Nothing may be loaded or run."""

HEADERS = {
    'Content-Security-Policy': STRICT_POLICY,
    'Cache-Control': 'no-store',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
}
"""What an answer says to the browser where it does not say otherwise."""


class Guard:
    """Lets through what names this very host, only reads, and has the token; answers everything else itself.

    A page elsewhere that has this machine's browser ask (by a name that it lets point here) fails at the host, and
    does not know the token either. The token is never kept in a cookie, which other ports of the host would be sent.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        """Guard an application.

        Args:
            app: The application.
            token: What its address carries.
            port: Where it listens.
        """
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset({f'127.0.0.1:{port}', f'localhost:{port}'})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope['type'] == 'lifespan':
            await self._app(scope, receive, send)
            return
        if scope['type'] != 'http':
            return
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.get('host') not in self._hosts:
            return PlainTextResponse('This page has another address.\n', 403)
        if scope['method'] != 'GET':
            return PlainTextResponse('This page can only be read.\n', 405, {'Allow': 'GET'})
        given = parse_qs(scope['query_string'], keep_blank_values=True).get(b'token', [])
        if len(given) != 1 or not secrets.compare_digest(given[0], self._token):
            return PlainTextResponse(
                'Expected the token of this page in its address. Open the whole address that was printed when it '
                'was started.\n',
                403,
            )
        return None


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message['type'] == 'http.response.start':
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return guarded
