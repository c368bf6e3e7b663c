"""However tasks and bytes travel, the same campaign makes the same choices and finds the same values."""

import json
import os
import sys
from contextlib import ExitStack

import pytest
from campaign_runs import CampaignRuns, ackley_flags, choices
from slurm_cluster import SlurmCluster, why_not

from scoutbee.testing.globus_service import GlobusService
from scoutbee.testing.globus_transfer import GlobusTransfer
from scoutbee.testing.peer_endpoints import PeerEndpoints

POINTS = 20
TOPICS = ('simulate', 'train', 'infer')

TRANSFER = 'scoutbee.testing.globus_transfer'

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Ways:
    """Every way there is; each prepares what it stands on, and returns flags."""

    def __init__(self, runs, stack, monkeypatch):
        self.runs = runs
        self.stack = stack
        self.monkeypatch = monkeypatch

    # -- engines ------------------------------------------------------------------------------------------------

    def local(self):
        return self.site('local')

    def parsl(self):
        return self.site('parsl')

    def slurm(self):
        reason = why_not()
        if reason is not None:
            pytest.skip(reason)
        cluster = self.stack.enter_context(SlurmCluster())
        for name, value in cluster.environment.items():
            self.monkeypatch.setenv(name, value)
        provider = {'type': 'slurm', 'partition': 'main', 'exclusive': False, 'walltime': '00:20:00'}
        return self.site('parsl', provider=provider)

    def globus_compute(self):
        service = self.stack.enter_context(GlobusService())
        here = {'paths': [path for path in sys.path if path], 'env': {'OMP_NUM_THREADS': '1'}}
        simulating, learning = service.add('cpu', **here), service.add('gpu', **here)
        self.runs.program = tuple(service.command())
        return (*self.site('globus'), '--qc-endpoint', simulating.id, '--ml-endpoint', learning.id)

    # -- backends, as far as something is to be prepared --------------------------------------------------------

    def file(self):
        return ('--ps-file-dir', self.runs.folder / 'shared')

    def endpoint(self):
        peers = self.stack.enter_context(PeerEndpoints(self.runs.folder / 'endpoints'))
        for name, value in peers.endpoints[0].environment.items():
            self.monkeypatch.setenv(name, value)
        return ('--ps-endpoints', ','.join(peers.ids))

    def globus(self):
        service = self.stack.enter_context(GlobusTransfer(self.runs.folder / 'globus'))
        service.log_in()
        config = service.add_sites({'.*': self.runs.folder / 'here', 'elsewhere': self.runs.folder / 'elsewhere'})
        self.runs.program = (sys.executable, '-m', 'scoutbee.testing.transfer_run')
        return ('--ps-globus-config', config)

    def travelling(self, *backends):
        """A backend for each topic, or one for all; none is to send everything with its task."""
        if not backends:
            return ('--no-proxystore',)
        by_topic = zip(TOPICS, backends * (len(TOPICS) // len(backends)), strict=True)
        chosen = [word for topic, backend in by_topic for word in (f'--{topic}-ps-backend', backend)]
        prepared = [flag for backend in set(backends) for flag in getattr(self, backend, tuple)()]
        return (*chosen, *prepared)

    # -- parts --------------------------------------------------------------------------------------------------

    def site(self, engine, **more):
        usual = {'workers': 1, 'env': {'OMP_NUM_THREADS': '1'}, 'preload': [TRANSFER], **more}
        executors = {'simulate': {'kinds': ['simulate'], **usual}, 'learn': {'kinds': ['train', 'infer'], **usual}}
        file = self.runs.folder / 'somewhere.yaml'
        file.write_text(json.dumps({'name': 'somewhere', 'engine': engine, 'executors': executors}))
        return ('--site', file, '--engine', engine)


def campaign(folder):
    return ackley_flags(
        folder, POINTS, num_qc_workers=1, retrain_frequency=6, pause_during_update='launch', policy={'prefetch': 0}
    )


@pytest.fixture(scope='module')
def expected(tmp_path_factory):
    """The choices of a process pool that is sent everything with its tasks."""
    runs = CampaignRuns(tmp_path_factory.mktemp('expected'))
    try:
        runs(*campaign(runs.folder), '--no-proxystore', '--quiet')
        found = choices(runs.directory)
    finally:
        runs.close()
    assert len(found[2]) > 1
    return found


@pytest.mark.parametrize(
    ('engine', 'backends'),
    [
        ('local', ('redis', 'file', 'zmq')),
        ('local', ('zmq', 'endpoint', 'redis')),
        ('local', ('globus',)),
        ('parsl', ('file', 'redis', 'file')),
        ('parsl', ()),
        pytest.param('slurm', ('redis',), marks=pytest.mark.slurm),
        ('globus_compute', ()),
        ('globus_compute', ('redis',)),
    ],
    ids=lambda way: way if isinstance(way, str) else '+'.join(way) or 'messages',
)
def test_the_same_campaign_gives_the_same_answers(runs, expected, monkeypatch, engine, backends):
    with ExitStack() as stack:
        ways = Ways(runs, stack, monkeypatch)
        flags = (*campaign(runs.folder), *getattr(ways, engine)(), *ways.travelling(*backends))
        runs(*flags, '--ps-threshold', '100', '--quiet', PYTHONPATH=os.pathsep.join(sys.path))
        assert choices(runs.directory) == expected
        summary = runs.assert_complete(POINTS)
        assert summary.simulations.failed == summary.simulations.lost_and_resubmitted == 0
        assert (summary.proxies.created > 0) == bool(backends)
