"""In which order should one learn worker train an ensemble and ask it? Time to the first and to the last new ranking.

The real agents run one update of an ensemble on a task server whose tasks sleep: a training for ``T`` seconds, an
inference of the whole search space for ``a + k b`` seconds, of which ``a`` is shared by the ``k`` models that are asked
together. Beside them stand the other orders, as arithmetic without any overhead:

* *one by one*: train a model, ask it, train the next, as the original does;
* *all, then all*: train all, then ask all together.

    python benchmarks/update_order.py

The limit of the first ranking is ``T + a + b``; of the last, ``n T + a + n b``. No order reaches both.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from colmena.models import Result
from common import print_table

from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN
from scoutbee.contracts.learning import ModelArtifact
from scoutbee.contracts.policy import Policy, Slots
from scoutbee.testing.campaign import HillCampaign, evaluate, fit
from scoutbee.testing.inline import run_inline
from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord, SelectionRecord

_CHUNK = 5


@dataclass(frozen=True)
class Costs:
    """What learning costs, in seconds.

    Attributes:
        name: What is like that.
        train: Training of a model (``T``).
        shared: Of asking any number of models about the whole space together, what does not depend on their number.
        each: What each model adds to that.
    """

    name: str
    train: float
    shared: float
    each: float

    def asking(self, models: int) -> float:
        """Asking so many models together about the whole space."""
        return self.shared + models * self.each


COSTS = (
    Costs('mpnn, ten times faster', 1.2, 0.24, 0.24),
    Costs('fingerprint, ten times slower', 0.5, 0.6, 0.2),
)


@dataclass(frozen=True)
class Times:
    """Seconds from the start of an update.

    Attributes:
        first: To the first ranking by a new model.
        last: To the ranking by all of them.
        tasks: Inference tasks.
    """

    first: float
    last: float
    tasks: int


def one_by_one(costs: Costs, members: int, chunks: int) -> Times:
    """Each model is asked before the next is trained."""
    each = costs.train + costs.asking(1)
    return Times(each, members * each, members * chunks)


def all_then_all(costs: Costs, members: int, chunks: int) -> Times:
    """All models are trained, then asked together."""
    seconds = members * costs.train + costs.asking(members)
    return Times(seconds, seconds, chunks)


def measure(costs: Costs, members: int, chunks: int, rerank: str) -> Times:
    """Run an update with the real agents.

    Args:
        costs: What tasks cost.
        members: Size of the ensemble.
        chunks: Pieces of the search space.
        rerank: The policy.

    Raises:
        TimeoutError: If it does not end.
    """
    campaign = HillCampaign(
        size=chunks * _CHUNK,
        members=members,
        chunk_size=_CHUNK,
        tasks={TRAIN: partial(_train, costs.train), INFER: partial(_infer, costs, chunks)},
    )
    policy = Policy(
        search_size=1,
        rerank='model' if rerank == 'model' else 'ensemble',
        share_learners=True,
        slots=Slots(simulate=1, train=1, infer=1),
        failed_updates=1,
    )
    with tempfile.TemporaryDirectory(prefix='scoutbee-update-') as folder:
        run_dir = Path(folder)
        # The one simulation, and so the campaign, ends with the update. It holds a thread of its own.
        run_inline(campaign, policy, run_dir, interfere=partial(_hold, run_dir, members), workers=2, timeout=600)
        rankings = [(s.time - s.started, len(s.models)) for s in read(run_dir, SelectionRecord) if s.started]
        tasks = sum(1 for _ in read(run_dir, InferenceRecord))
    return Times(rankings[0][0], next(at for at, models in rankings if models == members), tasks)


def _train(seconds: float, *arguments: Any) -> ModelArtifact:
    time.sleep(seconds)
    return fit(*arguments)


def _infer(costs: Costs, chunks: int, artifacts: Sequence[ModelArtifact], x: Any) -> Any:
    time.sleep(costs.asking(len(artifacts)) / chunks)
    return evaluate(artifacts, x)


def _hold(run_dir: Path, members: int, task: Result) -> None:
    """Keep the simulation until all models have ranked."""
    tick = threading.Event()
    while task.method == SIMULATE and not any(len(s.models) == members for s in read(run_dir, SelectionRecord)):
        tick.wait(0.05)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--members', type=int, default=8, help='models (8)')
    parser.add_argument('--chunks', type=int, default=20, help='pieces of the search space (20)')
    parser.add_argument('--faster', type=float, default=1.0, help='divide all costs by this (1)')
    options = parser.parse_args(arguments)
    members, chunks = options.members, options.chunks
    for costs in (Costs(c.name, *(s / options.faster for s in (c.train, c.shared, c.each))) for c in COSTS):
        found = {
            'one by one (arithmetic)': one_by_one(costs, members, chunks),
            'all, then all (arithmetic)': all_then_all(costs, members, chunks),
            'Scoutbee, rerank: model': measure(costs, members, chunks, 'model'),
            'Scoutbee, rerank: ensemble': measure(costs, members, chunks, 'ensemble'),
            'limit of each': Times(costs.train + costs.asking(1), all_then_all(costs, members, chunks).last, chunks),
        }
        rows = [(name, f'{t.first:.2f}', f'{t.last:.2f}', t.tasks) for name, t in found.items()]
        print_table(
            f'{costs.name}: T = {costs.train:g} s, a = {costs.shared:g} s, b = {costs.each:g} s; {members} models',
            ('order', 'first ranking (s)', 'last ranking (s)', 'inference tasks'),
            rows,
        )
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
