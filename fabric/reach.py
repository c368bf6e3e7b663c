"""Where the workers of a site find the driver's machine."""

from __future__ import annotations

import ipaddress
import logging
import platform
import socket

import psutil

from scoutbee.contracts.errors import ConfigurationError

from .own_address import own_address
from .providers import LocalProvider
from .sites import Site

logger = logging.getLogger(__name__)

_FAR_AWAY = ('1.1.1.1', 53)
"""Some public address: nothing is sent there, only the way there is asked for."""


def with_address(site: Site) -> Site:
    """The site with an IP address of this machine, at which its workers are to reach it.

    What is given may also be the name of the machine or of a network interface. Where none is given the address stays
    None, which is loopback, unless workers run on nodes of a batch system: then it is what the name of this machine
    stands for, which is what nodes of a cluster know it by, or else where its default route begins.

    Args:
        site: The site. One that has been through here comes back as it is.

    Raises:
        ConfigurationError: If the address is not one of this machine, or none is given and none can be found.
    """
    if site.address is not None:
        return site.model_copy(update={'address': own_address(_of_interface(site.address) or site.address)})
    if all(isinstance(executor.provider, LocalProvider) for executor in site.executors.values()):
        return site
    address, origin = _found()
    logger.info(
        'The site %s does not say at which address its nodes reach this machine; taking %s, %s.',
        site.name,
        address,
        origin,
    )
    return site.model_copy(update={'address': address})


def _of_interface(name: str) -> str | None:
    """The IPv4 address of a network interface, or else its IPv6 address; None if there is no such interface."""
    addresses = {entry.family: entry.address for entry in reversed(psutil.net_if_addrs().get(name, []))}
    return addresses.get(socket.AF_INET) or addresses.get(socket.AF_INET6)


def _found() -> tuple[str, str]:
    """An address that other machines are likely to reach, and where it comes from."""
    name = platform.node()
    try:
        return own_address(name), f'which the name {name} stands for'
    except ConfigurationError:
        pass  # a name that nobody knows, or that stands for loopback
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_FAR_AWAY)
            address = str(probe.getsockname()[0])
        except OSError:
            address = ''
    if not address or ipaddress.ip_address(address).is_loopback:
        raise ConfigurationError(
            'No address of this machine was found at which nodes of a batch system could reach it. Give one, or the '
            'name of a network interface (--driver-address, or address in the site).'
        )
    return address, 'where its default route begins'
