"""How much Globus Compute carries, and what to do about tasks and results that are larger.

Workers import this as well as the driver, so it needs nothing.
"""

from __future__ import annotations

from scoutbee.contracts.errors import InputTaskError

LIMIT_BYTES = 10_000_000
"""What the service takes as the arguments of a task, as a result, and as a request with the arguments of many.

Its documentation says 10 MB; its endpoints allow a result a little more (10 MiB). What is left covers the rest of a
request."""

_LINE_BYTES, _LINE_LENGTH = 57, 77
_FRAME = 500


def carried_bytes(size: int) -> int:
    """How large bytes are on their way: the SDK packs them in base64, in lines of 76 characters.

    Args:
        size: How many bytes there are.
    """
    return -(-(size + _FRAME) // _LINE_BYTES) * _LINE_LENGTH


def check_carried(what: str, kind: str, size: int) -> None:
    """See that something is not too large for the service.

    Args:
        what: What it is, with its verb, such as ``What train returned takes``.
        kind: Kind of task, which is the topic that may have a store.
        size: How many bytes it has, packed.

    Raises:
        InputTaskError: If it is too large; the message says what to do.
    """
    carried = carried_bytes(size)
    if carried > LIMIT_BYTES:
        raise InputTaskError(
            f'{what} {carried / 1e6:.1f} MB on the way, more than the {LIMIT_BYTES / 1e6:g} MB that Globus Compute '
            f'carries. Let ProxyStore carry what is large of topic {kind}: choose a --{kind}-ps-backend that the '
            'endpoint reaches, and a --ps-threshold far below that limit.'
        )
