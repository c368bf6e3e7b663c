"""Messages that only this campaign can have written.

Task messages hold pickles, and whoever can have a pickle read can run any code. So a message is read no further than
its seal unless it was made with the campaign's secret, for the very queue it was found on.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

_DIGEST = hashlib.sha256
_LENGTH = _DIGEST().digest_size


class Seal:
    """Seals messages with a secret and tells its own from others. Neither ``repr`` nor ``str`` shows the secret."""

    def __init__(self, secret: bytes | None = None) -> None:
        """Args: secret: At least 16 bytes; a random one if not given.

        Raises:
            ValueError: If the secret is too short.
        """
        if secret is not None and len(secret) < 16:
            raise ValueError(f'Expected a secret of at least 16 bytes, got {len(secret)}.')
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self._begun: dict[str, hmac.HMAC] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {'_secret': self._secret, '_begun': {}}

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'

    def close(self, queue: str, message: bytes) -> bytes:
        """A sealed message for a queue."""
        return self._mark(queue, message) + message

    def open(self, queue: str, sealed: bytes) -> memoryview | None:
        """The message in a sealed one, or None if it is not ours, not whole, or was sealed for another queue."""
        body = memoryview(sealed)[_LENGTH:]  # no copy: a message may have hundreds of megabytes
        return body if hmac.compare_digest(sealed[:_LENGTH], self._mark(queue, body)) else None

    def _mark(self, queue: str, body: bytes | memoryview) -> bytes:
        mark = self._begun.get(queue)
        if mark is None:
            name = queue.encode()
            # The length keeps the name apart from the body, so that no other pair of them has the same mark.
            mark = hmac.new(self._secret, len(name).to_bytes(4, 'big') + name, _DIGEST)
            self._begun[queue] = mark
        mark = mark.copy()
        mark.update(body)
        return mark.digest()
