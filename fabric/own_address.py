"""The address at which other machines reach this one."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

from scoutbee.contracts.errors import ConfigurationError

LOOPBACK = '127.0.0.1'


def own_address(given: str) -> str:
    """The IP address of this machine that a person means.

    What listens for workers listens there, so it must be one address, and this machine's.

    Args:
        given: IP address, or a name that stands for one.

    Raises:
        ConfigurationError: If it stands for all addresses, for none, for another machine's, or, being a name, only
            for one that no other machine reaches.
    """
    found = _resolved(given)
    if any(ipaddress.ip_address(address).is_unspecified for address in found):
        raise _refused(given, 'which means all of them')
    own = [address for address in found if can_listen(address)]
    if not own:
        raise _refused(given, 'which is not' if found == [given] else f'which stands for {" and ".join(found)}')
    reached = [address for address in own if given in (address, 'localhost') or not _is_loopback(address)]
    if not reached:
        raise _refused(given, f'which stands for {own[0]} here, where no other machine reaches it')
    return reached[0]


def can_listen(address: str, port: int = 0) -> bool:
    """Whether a server could listen at an IP address of this machine, on a port or (0) on any."""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((address, port))
        return True
    return False


def _resolved(given: str) -> list[str]:
    if given == '*':
        return ['0.0.0.0']
    try:
        answers = socket.getaddrinfo(given, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _refused(given, 'which is neither an IP address nor a name that is known here') from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _refused(given: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The driver's address: expected one address of this machine, at which its workers reach it, got {given}, "
        f'{why}. Name one of those that `ip address` shows (--driver-address, or address in the site).'
    )


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
