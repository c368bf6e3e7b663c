"""An engine with the queues and the depot it works with, as tests drive it."""

from contextlib import contextmanager, suppress

import fabric_tasks
import psutil
import pytest
from waiting import PATIENCE, wait_for

from scoutbee.fabric.depots import ProxyDepot, new_run_name
from scoutbee.fabric.engines import ENGINES, make_engine
from scoutbee.fabric.processes import session_members
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.sites import Site
from scoutbee.fabric.stores import Places, TopicStore
from scoutbee.testing.globus_service import GlobusService

METHODS = {'simulate': fabric_tasks.misbehave, 'train': fabric_tasks.loaded, 'infer': fabric_tasks.double}
DEADLINE = 8.0  # a first task imports what stores need, on a busy machine


def site_for(engine='parsl', **endpoints):
    executors = {
        'simulate': {'kinds': ['simulate'], 'workers': 2, 'env': {'OMP_NUM_THREADS': '1'}},
        'learn': {'kinds': ['train', 'infer'], 'env': {'OMP_NUM_THREADS': '7'}},
    }
    for name, endpoint in endpoints.items():
        executors[name]['endpoint'] = endpoint
    return Site.model_validate({'name': 'test', 'engine': engine, 'executors': executors})


SITE = site_for()


class Rig:
    def __init__(self, site, address, directory, threshold=10_000):
        topics = {} if threshold is None else {kind: TopicStore('redis', threshold) for kind in METHODS}
        self.depot = ProxyDepot(Places(new_run_name(), address, directory), topics)
        self.queues = SecureRedisQueues(address, METHODS, stores=self.depot.stores, thresholds=self.depot.thresholds)
        self.engine = make_engine(
            site,
            None,
            METHODS,
            self.queues,
            directory,
            preload={'train': ['colorsys']},
            deadlines={'infer': DEADLINE, 'train': PATIENCE},
        )
        self.directory = directory

    def start(self):
        self.engine.start()
        self.engine.wait_until_ready()
        return self

    def ask(self, kind, *args):
        return self.queues.send_inputs(*args, method=kind, topic=kind)

    def hear(self, kind):
        return self.queues.get_result(kind, PATIENCE)

    def running(self, name):
        """Start a simulation that never ends, the task ``running_id``; returns the process that runs it."""
        mark = self.directory / name
        self.running_id = self.ask('simulate', 'touch and wait', str(mark))
        wait_for(lambda: mark.exists() and mark.read_text())
        return psutil.Process(int(mark.read_text()))

    def close(self):
        session = self.engine.pid
        self.engine.stop()
        self.depot.close()
        self.queues.flush()
        self.queues.disconnect()
        if session is not None:
            assert not session_members(session)


@contextmanager
def rig_of(name, address, directory):
    """A rig of an engine by its name, started; Globus Compute's runs on a stand-in."""
    if name == 'globus':
        with GlobusService() as service, rig_at(service, address, directory) as rig:
            yield rig
        return
    rig = Rig(site_for(name), address, directory)
    try:
        yield rig.start()
    finally:
        rig.close()


@contextmanager
def rig_at(service, address, directory):
    """A rig at two endpoints of a Globus Compute service, which knows all three of them; started."""
    path = fabric_tasks.__file__.rpartition('/')[0]
    cpu, gpu = service.add('cpu', workers=2, paths=[path]), service.add('gpu', paths=[path])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENGINES, 'globus', service.engine())
        rig = Rig(site_for('globus', simulate=cpu.id, learn=gpu.id), address, directory)
        rig.service, rig.cpu, rig.gpu = service, cpu, gpu
        try:
            yield rig.start()
        finally:
            rig.close()


def command_of(process):
    """The command line of a process; empty if it has ended meanwhile."""
    with suppress(psutil.Error):
        return ' '.join(process.cmdline())
    return ''


def failure(result):
    assert result.success is False
    return result.task_info['failure']
