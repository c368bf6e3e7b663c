"""How pieces of a search space come to a worker on the driver's machine: through a store, or by the name of a file."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoutbee.campaigns.search_space import SearchSpace
from scoutbee.contracts.campaign import INFER
from scoutbee.fabric.depots import make_depot, new_run_name
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.stores import Places, TopicStore

_THRESHOLD = 10_000


@dataclass(frozen=True)
class Travel:
    """What it took to bring all pieces to one worker.

    Attributes:
        stored_bytes: Bytes that the store holds for as long as the campaign runs.
        lending_seconds: Seconds of the driver.
        first_seconds: Seconds of the worker, until it had looked at the first piece.
        all_seconds: Until it had looked at all of them.
    """

    stored_bytes: int
    lending_seconds: float
    first_seconds: float
    all_seconds: float


def travel(space: SearchSpace, piece: int, folder: Path, *, by_file: bool) -> Travel:
    """Bring the candidates to a worker, ``piece`` at a time, through Redis or by their file."""
    bounds = [(start, min(start + piece, space.size)) for start in range(0, space.size, piece)]
    with EmbeddedRedis() as server:
        places = Places(new_run_name(), server.address, folder)
        depot = make_depot(places, {INFER: TopicStore('redis', _THRESHOLD)})
        try:
            began = time.perf_counter()
            loans = [depot.lend(INFER, space.piece(*bound, by_file=by_file)) for bound in bounds]
            lending = time.perf_counter() - began
            with multiprocessing.get_context('spawn').Pool(1) as pool:
                pool.apply(_warm_up, (pickle.dumps(loans[0].ref),))
                first, everything = pool.apply(_look, ([pickle.dumps(loan.ref) for loan in loans],))
            stored = sum(loan.size for loan in loans if loan.key is not None)
            for loan in loans:
                depot.reclaim(loan)
            return Travel(stored, lending, first, everything)
        finally:
            depot.close()


def _warm_up(packed: bytes) -> None:
    """Import what is needed, without opening anything."""
    import scoutbee.models.space_files  # noqa: F401
    from scoutbee.fabric import connectors, moves  # noqa: F401


def _look(packed: Sequence[bytes]) -> tuple[float, float]:
    """Seconds to the first piece and to all of them."""
    began = time.perf_counter()
    first = 0.0
    for number, one in enumerate(packed):
        piece: Any = pickle.loads(one)
        for array in getattr(piece, '__proxy_wrapped__', piece).arrays().values():
            array.sum()
        if number == 0:
            first = time.perf_counter() - began
    return first, time.perf_counter() - began
