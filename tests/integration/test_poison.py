"""One bad candidate hurts only itself: the real Thinker, the real queues, and workers that really die."""

import os
import signal
from functools import partial

import pytest

from scoutbee.agents.thinker import Thinker
from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.policy import Policy
from scoutbee.fabric.depots import DirectDepot
from scoutbee.fabric.engines import make_engine
from scoutbee.fabric.methods import task_functions
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.sites import load_site
from scoutbee.testing.campaign import HillCampaign, hill
from scoutbee.testing.depot import MemoryShelf
from scoutbee.traces.reader import read
from scoutbee.traces.records import SimulationRecord
from scoutbee.traces.writer import TraceWriter

pytestmark = pytest.mark.slow


def poisoned(x, poison):
    """The hill, but for one point, which takes its worker down."""
    if x == poison:
        os.kill(os.getpid(), signal.SIGKILL)
    return hill(x)


def test_a_candidate_that_kills_its_worker_twice_is_quarantined_and_the_rest_is_computed(tmp_path):
    # Every candidate is computed in the end, so the poisoned one is met.
    campaign = HillCampaign(size=20, known=8)
    poison = float(campaign.grid[13])
    campaign = HillCampaign(size=20, known=8, tasks={'simulate': partial(poisoned, poison=poison)})
    policy = Policy(search_size=20, buffer_size=5, retrain_frequency=6, worker_kills=2)
    with EmbeddedRedis() as server, TraceWriter(tmp_path) as traces:
        queues = SecureRedisQueues(server.address, KINDS)
        engine = make_engine(load_site('local'), 'local', task_functions(campaign.tasks()), queues, tmp_path)
        with engine:
            thinker = Thinker(queues, campaign, policy, traces, DirectDepot(), MemoryShelf())
            thinker.start()
            thinker.join(120)
            assert not thinker.is_alive()
        queues.disconnect()
    assert thinker.outcome.status == 'exhausted'
    counts = thinker.board.counts
    assert (counts.succeeded, counts.quarantined, counts.failed) == (19, 1, 0)
    evidence = [r for r in read(tmp_path, SimulationRecord) if r.key == 'x13']
    assert [r.outcome for r in evidence] == ['retried', 'quarantined']
    assert {r.failure.kind for r in evidence} == {'killed'}
