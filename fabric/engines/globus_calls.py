"""What passes between the Globus Compute task server and its endpoints."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from .globus_client import Sdk


@dataclass(frozen=True)
class Patience:
    """How closely endpoints are watched, in seconds.

    Attributes:
        look: How often the service is asked whether an endpoint is online.
        offline: After being offline for so long, an endpoint has lost what it was given. One that is back sooner may
            have kept it, and what it has not kept is found missing by the agents' leases.
        probe: A probe that is not answered for so long is sent again: it may wait for a machine, or be lost.
    """

    look: float = 15.0
    offline: float = 60.0
    probe: float = 300.0


@dataclass(frozen=True)
class Service:
    """How every endpoint is reached.

    Attributes:
        sdk: Where executors come from.
        client: From ``connect``.
        probe: Id of the function that reports versions.
        share: Share of the service's rate limit that each endpoint may use.
    """

    sdk: Sdk
    client: Any
    probe: str
    share: float


@dataclass(frozen=True)
class Place:
    """An endpoint of a site.

    Attributes:
        endpoint_id: Its id.
        executors: What the site calls it, for people.
        warming: Functions that are called when it begins to take tasks: id, arguments, how many times.
    """

    endpoint_id: str
    executors: str
    warming: tuple[tuple[str, tuple[Any, ...], int], ...] = ()


@dataclass(eq=False)
class Call:
    """One call of a registered function.

    Attributes:
        function: Id of the function.
        arguments: Its arguments.
        size: How many bytes they have.
        answer: What it returned, or how it failed. It is cancelled only before the call has left this process.
    """

    function: str
    arguments: tuple[Any, ...] = ()
    size: int = 0
    answer: Future[Any] = field(default_factory=Future)
