"""Workers that Parsl starts here and in the jobs of a batch system: what reaches them, and what becomes of them."""

import os

import fabric_tasks
import pytest
from engine_rig import SITE, failure
from waiting import PATIENCE, wait_for

from scoutbee.fabric.engines import make_engine
from scoutbee.fabric.engines.base import EXIT_REFUSED
from scoutbee.fabric.processes import session_members
from scoutbee.fabric.sites import Site
from scoutbee.testing.pbs_commands import PBSCommands

pytestmark = pytest.mark.slow

METHODS = {'simulate': fabric_tasks.meet, 'train': fabric_tasks.misbehave, 'infer': fabric_tasks.double}


@pytest.fixture
def start(queues, tmp_path):
    """Starts the engine of a site with one executor."""
    started = []

    def start_engine(wait=True, **executor):
        fields = {'kinds': ['simulate', 'train', 'infer'], **executor}
        site = Site.model_validate({'name': 'test', 'address': '127.0.0.1', 'executors': {'all': fields}})
        engine = make_engine(site, 'parsl', METHODS, queues, tmp_path)
        started.append(engine)
        engine.start()
        if wait:
            engine.wait_until_ready()
        return engine

    yield start_engine
    for engine in started:
        engine.stop()


@pytest.fixture
def pbs(tmp_path, monkeypatch):
    with PBSCommands(tmp_path / 'pbs') as commands:
        monkeypatch.setenv('PATH', f'{commands.path}{os.pathsep}{os.environ["PATH"]}')
        yield commands


@pytest.fixture
def meet(queues, tmp_path):
    """Has tasks meet on as many workers; returns the environment of each."""

    def meet_on(count):
        folder = tmp_path / 'meeting'
        folder.mkdir()
        for _ in range(count):
            queues.send_inputs(str(folder), count, method='simulate', topic='simulate')
        results = [queues.get_result('simulate', PATIENCE) for _ in range(count)]
        assert all(result.success for result in results), results
        return [result.value for result in results]

    return meet_on


def test_each_worker_has_an_accelerator_of_its_own(start, meet):
    start(workers=2, accelerators=['GPU-a', 'GPU-b'])
    seen = meet(2)
    for variable in ('CUDA_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES', 'ZE_AFFINITY_MASK'):
        assert sorted(each[variable] for each in seen) == ['GPU-a', 'GPU-b']


def test_what_the_site_says_is_done_before_workers_start(start, meet):
    start(
        env={'ODD': """it's {odd} "$HOME" `x`"""},
        worker_init='export LATER="${ODD%% *}"',
        launch_prefix='env SCOUTBEE_MARK={1}',
    )
    (seen,) = meet(1)
    assert seen['ODD'] == """it's {odd} "$HOME" `x`"""
    assert seen['LATER'] == "it's"
    assert seen['SCOUTBEE_MARK'] == '{1}'


def test_workers_start_where_the_temporary_folder_has_a_long_name(start, meet, tmp_path):
    folder = tmp_path / ('long' * 25)
    folder.mkdir()
    start(workers=2, env={'TMPDIR': str(folder)})  # as a batch system may set it on its nodes
    assert [seen['TMPDIR'] for seen in meet(2)] == [str(folder)] * 2


def test_a_run_directory_that_parsl_cannot_use_is_refused_with_what_to_do(start, queues, tmp_path):
    site = Site.model_validate({'name': 'test', 'executors': {'all': {'kinds': ['simulate', 'train', 'infer']}}})
    engine = make_engine(site, 'parsl', METHODS, queues, tmp_path / 'my run')
    engine.start()
    wait_for(lambda: not engine.alive())
    assert engine.exit_code == EXIT_REFUSED
    assert '--runs-dir' in engine.refusal
    engine.stop()


def test_nothing_is_left_of_one_that_ends_before_all_its_executors_have_started(queues, tmp_path):
    engine = make_engine(SITE, 'parsl', METHODS, queues, tmp_path)
    engine.start()
    engine.wait_until_ready()
    session = engine.pid
    engine.stop()
    assert not session_members(session)
    assert not list(tmp_path.rglob('certificates'))


NODES = {'type': 'pbspro', 'nodes_per_block': 2, 'max_blocks': 3}


def test_a_job_brings_the_workers_of_all_its_nodes_and_is_given_back(start, meet, pbs):
    engine = start(provider=NODES, launch_prefix='env SCOUTBEE_MARK={1}', env={'ODD': "it's"})
    seen = meet(2)
    assert len({each['PARSL_WORKER_POOL_ID'] for each in seen}) == 2
    assert {(each['SCOUTBEE_MARK'], each['ODD'], each['PBS_JOBID']) for each in seen} == {('{1}', "it's", '1.double')}
    assert pbs.running() == pbs.submitted() == ['1.double']  # no more than the work needs
    engine.stop()
    assert pbs.running() == []


def test_a_job_that_is_ended_loses_its_tasks_through_no_fault_of_theirs(start, queues, pbs, tmp_path):
    start(provider=NODES)
    mark = tmp_path / 'mark'
    queues.send_inputs('touch and wait', str(mark), method='train', topic='train')
    wait_for(mark.exists)
    pbs.qdel(pbs.running())
    told = failure(queues.get_result('train', PATIENCE))
    assert told['kind'] == 'lost'
