"""One run of the discovery benchmark: one method, one seed, a process of its own.

A closed space of molecules whose values are all known; simulating one looks its value up. The choices are made by the
real Thinker with its six agents. Called by ``discovery.py``; prints its result as one line of JSON.

    python benchmarks/discovery_run.py mpnn 3
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from scoutbee import data
from scoutbee.campaigns.lookup import Lookup
from scoutbee.campaigns.options import LearningOptions, LookupOptions
from scoutbee.campaigns.registry import make_campaign
from scoutbee.contracts.policy import Policy, Slots
from scoutbee.models.registry import make_surrogate
from scoutbee.testing.inline import run_inline
from scoutbee.traces.reader import read
from scoutbee.traces.records import SimulationRecord

METHODS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        'mpnn': {'surrogate': 'mpnn', 'model_count': 4, 'acquisition': 'ucb'},
        'fingerprint': {'surrogate': 'fingerprint', 'model_count': 8, 'acquisition': 'ucb'},
        'greedy': {'surrogate': 'fingerprint', 'model_count': 1, 'acquisition': 'greedy'},
        'random': {'surrogate': 'fingerprint', 'model_count': 1, 'acquisition': 'random'},
    }
)
"""How each method learns and chooses; ``greedy`` takes the best mean of the fingerprint model."""


class Closed(BaseModel):
    """The closed space, and how much of it may be uncovered."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    table: str = Field('moses-ip-gfn2.csv', description='Committed table, or the path of another one.')
    known: int = Field(100, ge=8, description='Values known at the start, drawn at random.')
    choices: int = Field(150, ge=1, description='Further values to uncover.')
    top: int = Field(50, ge=1, description='The best so many are what is to be found.')
    batch: int = Field(25, ge=1, description='Choices between two trainings.')


class Discovery(BaseModel):
    """What one run found.

    Attributes:
        method: Its method.
        seed: Its seed, which also draws what is known at the start: the same for every method.
        space: The space and the budget.
        settings: How the method learned and chose, the surrogate's own settings with their defaults included.
        top_known: How many of the best were known at the start.
        found: How many of the best that were *not* known were found after 1, 2, ... choices; shape (choices,).
        stale: Choices that an older ranking made although a newer model had already been trained on what was known.
        seconds: From the start of the agents to the end.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    method: str
    seed: int
    space: Closed
    settings: dict[str, Any]
    top_known: int
    found: list[int]
    stale: int
    seconds: float

    def share(self, choices: int) -> float:
        """Share, after so many choices, of the best that were not known at the start."""
        return self.found[choices - 1] / (self.space.top - self.top_known)

    def share_with_known(self, choices: int) -> float:
        """Share of all the best that is known after so many choices, those known at the start included."""
        return (self.found[choices - 1] + self.top_known) / self.space.top


def settings_of(method: str) -> dict[str, Any]:
    """How a method learns and chooses, in full: results of other settings must not be mixed with these."""
    learning = LearningOptions(**METHODS[method])
    surrogate: Any = make_surrogate(learning.surrogate, learning.surrogate_settings)
    inner = surrogate.model_dump(mode='json') if isinstance(surrogate, BaseModel) else dict(vars(surrogate))
    return {**learning.model_dump(mode='json', exclude={'seed', 'enough_found'}), 'surrogate_settings': inner}


def discover(method: str, seed: int, space: Closed, cache: Path, timeout: float = 3600.0) -> Discovery:
    """Run the campaign.

    Launching waits while models are trained and asked, and one candidate is looked up at a time: choices come in
    batches, each made by models that have seen nearly all before it. The same for every method.

    Args:
        method: One of ``METHODS``.
        seed: Seed of what is known at the start, of the models and of the choices.
        space: The space and the budget.
        cache: Where features are kept from run to run.
        timeout: Seconds after which the run counts as hanging.

    Raises:
        ConfigurationError: If the table cannot be used.
        TimeoutError: If the run hangs.
        RuntimeError: If it ended before all choices were made.
    """
    table = data.path(space.table) if space.table in data.names() else Path(space.table)
    learning = LearningOptions(seed=seed, **METHODS[method])
    options = LookupOptions(table=table, known=space.known, top=space.top, learning=learning)
    campaign = make_campaign('lookup', options, cache)
    assert isinstance(campaign, Lookup)
    policy = Policy(
        search_size=space.choices,
        buffer_size=space.batch,
        retrain_frequency=space.batch,
        pause_during_update='launch',
        rerank='ensemble',
        slots=Slots(simulate=1, train=1, infer=1),
    )
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='scoutbee-discovery-') as folder:
        run_dir = Path(folder)
        outcome = run_inline(campaign, policy, run_dir, workers=2, timeout=timeout).outcome
        if outcome.status != 'completed':
            raise RuntimeError(f'Expected all {space.choices} choices to be made, but: {outcome.reason}')
        records = [record for record in read(run_dir, SimulationRecord) if record.outcome == 'observed']
    missing = set(campaign.top_rows.tolist()) - set(campaign.space.known_rows.tolist())
    hits = [record.row in missing for record in records]
    return Discovery(
        method=method,
        seed=seed,
        space=space,
        settings=settings_of(method),
        top_known=space.top - len(missing),
        found=[sum(hits[: i + 1]) for i in range(len(hits))],
        stale=_stale([int(record.choice['ranking']) for record in records], space.batch),
        seconds=time.monotonic() - started,
    )


def _stale(rankings: Sequence[int], batch: int) -> int:
    """Choices that a ranking made beyond its batch."""
    return sum(ranking < 1 + i // batch for i, ranking in enumerate(rankings))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one run and print what it found."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('method', choices=tuple(METHODS))
    parser.add_argument('seed', type=int)
    parser.add_argument('--space', default='{}', help='the closed space and the budget, as JSON')
    parser.add_argument('--cache', type=Path, required=True, help='folder for features of molecules')
    options = parser.parse_args(arguments)
    space = Closed(**json.loads(options.space))
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    print(discover(options.method, options.seed, space, options.cache).model_dump_json())
    return 0


if __name__ == '__main__':
    sys.exit(main())
