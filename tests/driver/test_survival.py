"""Whatever a campaign stands on may die under it: it goes on, or ends with the reason, and can be resumed."""

import os
import signal
import time
from contextlib import suppress

import psutil
import pytest
from campaign_runs import ackley_flags

from scoutbee.driver.watch import RESTARTS
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.traces.summary import read_summary

pytestmark = pytest.mark.slow

STORED = {'ps_threshold': 0, **{f'{topic}_ps_backend': 'redis' for topic in ('simulate', 'train', 'infer')}}
FILED = {'ps_threshold': 0, **{f'{topic}_ps_backend': 'file' for topic in ('simulate', 'train', 'infer')}}


def kill(process):
    process.kill()
    with suppress(psutil.Error):
        process.wait(10)


@pytest.fixture
def external():
    """A Redis server of one's own, which is no child of the driver."""
    with EmbeddedRedis() as server:
        yield server


def at(server, **more):
    address = server.address
    flags = ('--redishost', address.host, '--redisport', address.port)
    return flags, {'SCOUTBEE_REDIS_PASSWORD': address.password, **more}


def test_an_embedded_redis_that_is_killed_comes_back_with_all_it_held(runs):
    driver = runs.start(*ackley_flags(runs.folder, 60, delay=0.01, **STORED))
    for results in (5, 20, 40):
        runs.wait_for_results(results)
        kill(runs.redis())
    runs.finish(driver)
    assert runs.assert_complete(60).proxies.created > 60
    assert len(runs.events('redis_restarted')) == 3
    runs.assert_nothing_left()


def test_an_embedded_redis_that_stands_still_for_a_while_is_waited_for(runs):
    driver = runs.start(*ackley_flags(runs.folder, 40, delay=0.01))
    runs.wait_for_results(5)
    redis = runs.redis()
    redis.suspend()
    time.sleep(2)  # this is what is tested, not waited for
    redis.resume()
    runs.finish(driver)
    runs.assert_complete(40)
    assert runs.events('redis_restarted') == []


def test_an_external_redis_that_goes_away_and_comes_back_is_waited_for(runs, external):
    flags, environment = at(external)
    driver = runs.start(*ackley_flags(runs.folder, 40, delay=0.01), *flags, **environment)
    runs.wait_for_results(5)
    kill(psutil.Process(external.pid))
    runs.wait(lambda: 'is out of reach' in (runs.directory / 'runtime.log').read_text())
    external.start()  # empty: all messages are lost
    runs.finish(driver)
    runs.assert_complete(40)
    assert external.address.connect().keys() == []


@pytest.mark.parametrize('how', ['killed', 'stopped'])
def test_an_external_redis_that_is_gone_for_good_ends_the_campaign_which_can_be_resumed(runs, external, how):
    flags, environment = at(external)
    settings = ackley_flags(runs.folder, 40, delay=0.02, redis_patience=3.0, **STORED)
    driver = runs.start(*settings, *flags, **environment)
    runs.wait_for_results(5)
    redis = psutil.Process(external.pid)
    kill(redis) if how == 'killed' else redis.suspend()
    out = runs.finish(driver, 3)
    assert 'has been out of reach for more than 3 s. Bring it back and resume' in out
    summary = read_summary(runs.directory)
    assert (summary.status, summary.reason[:5]) == ('failed', 'Redis')
    assert 5 <= summary.simulations.succeeded < 40
    external.start() if how == 'killed' else redis.resume()
    runs('--resume', runs.directory, '--quiet', **environment)
    runs.assert_complete(40)
    assert external.address.connect().keys() == []
    runs.assert_nothing_left()


def test_a_task_server_that_dies_now_and_then_is_started_again_each_time(runs):
    driver = runs.start(*ackley_flags(runs.folder, 60, delay=0.01, **STORED))
    for deaths in range(RESTARTS + 1):
        runs.wait_for_results(5 + 7 * deaths)
        runs.wait(lambda: runs.task_server(driver))
        kill(runs.task_server(driver))
    runs.finish(driver)
    runs.assert_complete(60)
    assert len(runs.events('task_server_died')) == RESTARTS + 1
    runs.assert_nothing_left()


def test_a_task_server_that_dies_at_once_again_and_again_ends_the_campaign_with_the_reason(runs):
    driver = runs.start(*ackley_flags(runs.folder, 40, delay=0.02))
    while driver.poll() is None:
        with suppress(psutil.Error):
            server = runs.task_server(driver)
            if server is not None:
                kill(server)
        time.sleep(0.05)
    assert 'The task server died 6 times without a result in between' in runs.finish(driver, 3)
    assert read_summary(runs.directory).status == 'failed'
    runs.assert_nothing_left()
    runs('--resume', runs.directory, '--quiet')
    runs.assert_complete(40)


@pytest.mark.parametrize('backend', [STORED, FILED], ids=['redis', 'file'])
def test_what_a_killed_driver_left_in_an_external_redis_and_in_files_is_removed_on_resume(runs, external, backend):
    flags, environment = at(external)
    shared = runs.folder / 'shared'
    driver = runs.start(
        *ackley_flags(runs.folder, 60, delay=0.02, **backend), *flags, '--ps-file-dir', shared, **environment
    )
    runs.wait_for_results(25)
    client = external.address.connect()
    held = (lambda: len(client.keys())) if backend is STORED else (lambda: len(list(shared.rglob('*'))))
    runs.wait(held)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate(timeout=20)
    runs.wait(lambda: not runs.processes())
    assert held()
    runs('--resume', runs.directory, '--quiet', **environment)
    runs.assert_complete(60)
    assert client.keys() == []
    assert list(shared.rglob('*')) == []
    runs.assert_nothing_left()


def test_the_data_of_an_embedded_redis_that_was_killed_with_its_driver_is_its_owners_alone_and_removed(runs):
    driver = runs.start(*ackley_flags(runs.folder, 40, delay=0.02, **STORED))
    runs.wait_for_results(5)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate(timeout=20)
    runs.wait(lambda: not runs.processes())
    data = runs.directory / 'engine' / 'redis'
    assert data.stat().st_mode & 0o077 == 0
    runs('--resume', runs.directory, '--quiet')
    runs.assert_complete(40)
    runs.assert_nothing_left()


def test_the_end_of_the_batch_job_ends_the_campaign_before_it(runs):
    # Seven simulations of several seconds each cannot all be done by then.
    flags = ackley_flags(runs.folder, 40, delay=1, policy={'grace': 2})
    job = {'SLURM_JOB_ID': '7', 'SLURM_JOB_END_TIME': str(int(time.time()) + 30)}
    out = runs(*flags, status=3, **job)
    assert 'Slurm ends this job in' in out
    assert read_summary(runs.directory).status == 'exhausted'
    (event,) = runs.events('time_limit')
    assert event.facts['hours'] < 30 / 3600
    runs.assert_nothing_left()


def test_a_run_is_gone_on_with_under_settings_that_contradict_nothing(runs):
    flags = ackley_flags(runs.folder, 40, delay=0.01, search_size=20)
    runs(*flags, '--quiet')
    changes = runs.folder / 'changes.yaml'
    changes.write_text('search_size: 30\nnum_qc_workers: 3\npolicy: {grace: 1, simulation_lease: 60}\n')
    runs('--resume', runs.directory, '--config', changes, '--max-hours', '1', '--quiet')
    runs.assert_complete(30)
    # What was changed once stays changed.
    runs('--resume', runs.directory, '--quiet')
    runs.assert_complete(30)
    assert 'lease: 60' in (runs.directory / 'params.yaml').read_text()
