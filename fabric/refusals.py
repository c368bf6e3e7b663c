"""Why a Redis server cannot be used, and what to do about it, from what the client says."""

from __future__ import annotations

import redis

from .redis_environment import CA_FILE, PASSWORD, PASSWORD_FILE, TLS, USERNAME

_WHERE = 'Correct --redishost and --redisport'


def refusal(error: Exception, *, seconds: float, tls: bool, has_password: bool) -> str:
    """The end of a sentence that begins with the server, and what to do.

    Args:
        error: What came of using the server.
        seconds: How long it had to answer.
        tls: Whether TLS was spoken.
        has_password: Whether a password was sent.
    """
    text = str(error)
    login = _login(error, text, has_password)
    if login is not None:
        return login
    return _certificate(text) or _connection(error, text, seconds, tls) or f'{text}. {_WHERE}.'


def _login(error: Exception, text: str, has_password: bool) -> str | None:
    if isinstance(error, redis.exceptions.NoPermissionError):
        return (
            f'its user may not do all that a campaign does ({text}). Give it the rights that docs/security.md lists, '
            f'or name another in {USERNAME}.'
        )
    refused = isinstance(error, redis.AuthenticationError) or any(
        word in text for word in ('WRONGPASS', 'NOAUTH', 'invalid password', 'without any password')
    )
    if not refused:
        return None
    if not has_password:
        return f'it wants a password. Set {PASSWORD} or {PASSWORD_FILE}, and {USERNAME} if it has users.'
    return f'it refused the user or password ({text}). Correct {PASSWORD} or {PASSWORD_FILE}, and {USERNAME}.'


def _certificate(text: str) -> str | None:
    low = text.lower()
    if 'certificate verify failed' not in low:
        return None
    if 'mismatch' in low:
        return f'its certificate is for another name ({text}). Give --redishost as the certificate has it.'
    return f'its certificate is not trusted ({text}). Name the file with its authority in {CA_FILE}.'


def _connection(error: Exception, text: str, seconds: float, tls: bool) -> str | None:
    low = text.lower()
    no_tls = f'Unset {TLS} and {CA_FILE}, or name its TLS port.'
    if 'ssl' in low or 'record layer' in low:
        return f'it does not speak TLS ({text}). {no_tls}'
    if 'refused' in low:
        return 'nothing listens there. Start the server, or correct --redishost and --redisport.'
    if isinstance(error, redis.InvalidResponse) or 'protocol error' in low:
        return f'what answers there is not Redis ({text[:80]!r}). {_WHERE}.'
    if isinstance(error, (redis.TimeoutError, TimeoutError)) or 'timed out' in low:
        if tls:
            return f'no answer to TLS within {seconds:g} s. {no_tls} {_WHERE} if nothing is there.'
        return f'no answer within {seconds:g} s. {_WHERE}, or set {TLS}=1 if it wants TLS.'
    if 'closed' in low or 'reset' in low:
        return f'it closed the connection. If it wants TLS, set {TLS}=1 (and {CA_FILE}).'
    return None
