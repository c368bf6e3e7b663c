import os
import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)  # fabric_tasks must be importable here and, through this, on workers
os.environ['OMP_NUM_THREADS'] = '1'

from scoutbee.fabric.queues import SecureRedisQueues  # noqa: E402
from scoutbee.fabric.redis_server import EmbeddedRedis  # noqa: E402
from scoutbee.testing.peer_endpoints import PeerEndpoints  # noqa: E402

TOPICS = ('simulate', 'train', 'infer')


@pytest.fixture(scope='session')
def redis_server():
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def address(redis_server):
    return redis_server.address


@pytest.fixture
def queues(address):
    made = SecureRedisQueues(address, TOPICS)
    yield made
    made.flush()
    made.disconnect()


@pytest.fixture(scope='session')
def endpoints(tmp_path_factory):
    """A ProxyStore endpoint of this machine."""
    with PeerEndpoints(tmp_path_factory.mktemp('endpoints')) as made:
        yield made
