"""Campaigns on a real Slurm: blocks of workers are jobs, and jobs come, end early, and are cancelled."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from campaign_runs import ackley_flags
from slurm_cluster import SlurmCluster, why_not

from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.traces.reader import read
from scoutbee.traces.records import SimulationRecord

REASON = why_not()

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture
def cluster(monkeypatch, request):
    """A cluster with no jobs, to which the commands of Slurm speak; its parameters say how large."""
    with SlurmCluster(**getattr(request, 'param', {})) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def slurm_flags(runs, points, delay, workers=2, simulate=None, learn=None, **settings):
    """Flags of a small campaign whose workers come from Slurm.

    Args: workers: How many simulate on each node. simulate, learn: More settings of the provider of either.
    """
    usual = {'type': 'slurm', 'partition': 'main', 'exclusive': False, 'walltime': '00:10:00'}
    executors = {
        'simulate': {'kinds': ['simulate'], 'workers': workers, 'provider': {**usual, **(simulate or {})}},
        'learn': {'kinds': ['train', 'infer'], 'provider': {**usual, **(learn or {})}},
    }
    for executor in executors.values():
        executor['env'] = {'OMP_NUM_THREADS': '1'}
    site = runs.folder / 'cluster.yaml'
    site.write_text(yaml.safe_dump({'name': 'cluster', 'engine': 'parsl', 'executors': executors}))
    return (*ackley_flags(runs.folder, points, delay, engine='parsl', **settings), '--site', site, '--quiet')


def simulating(jobs):
    return [job for job in jobs if 'simulate' in job.name and job.state == 'RUNNING']


def observed(run_dir):
    return {r.key: r.value for r in read(run_dir, SimulationRecord) if r.outcome == 'observed'}


def environment(process):
    """The variables that a process was started with; none if it has ended."""
    try:
        return process.environ()
    except psutil.NoSuchProcess:
        return {}


def follow(runs, driver, cluster, ready):
    """Wait until something holds of the jobs of a driver that is at work."""
    cluster.wait(lambda jobs: driver.poll() is not None or ready(jobs), 120)
    if driver.poll() is not None:
        pytest.fail(f'The driver ended before it came to that: {runs.finish(driver)}')


def test_blocks_come_with_the_work_and_are_given_back_at_its_end(runs, cluster):
    flags = slurm_flags(runs, 30, 0.05, workers=1, simulate={'max_blocks': 2})
    driver = runs.start(*flags, '--pause-during-update')
    follow(runs, driver, cluster, lambda jobs: len(simulating(jobs)) == 2)
    runs.finish(driver)
    cluster.wait(lambda jobs: not jobs)
    on_slurm = runs.directory
    summary = runs.assert_complete(30)
    assert summary.retrains >= 1
    assert summary.simulations.lost_and_resubmitted == summary.simulations.failed == 0
    runs.assert_nothing_left()
    runs(*ackley_flags(runs.folder, 30), '--quiet')
    here = next(path for path in runs.directories if path != on_slurm)
    assert observed(here) == observed(on_slurm)


def test_jobs_are_not_told_the_password_of_redis(runs, cluster):
    with EmbeddedRedis() as server:
        address = server.address
        driver = runs.start(
            *slurm_flags(runs, 30, 0.05),
            *('--redishost', address.host, '--redisport', address.port),
            SCOUTBEE_REDIS_PASSWORD=address.password,
        )
        follow(runs, driver, cluster, lambda jobs: simulating(jobs) and runs.results())
        for job in cluster.jobs():
            assert address.password not in cluster.command('scontrol', 'write', 'batch_script', job.id, '-')
        told = [process.pid for process in runs.processes() if address.password in environment(process).values()]
        assert told == [driver.pid]
        runs.finish(driver)
    runs.assert_complete(30)
    runs.assert_nothing_left()


def test_a_job_that_is_cancelled_costs_a_resubmission_and_no_simulation(runs, cluster):
    driver = runs.start(*slurm_flags(runs, 30, 0.1))
    runs.wait_for_results(6)
    (job,) = simulating(cluster.jobs())
    cluster.cancel(job)
    runs.finish(driver)
    summary = runs.assert_complete(30)
    assert summary.simulations.lost_and_resubmitted >= 1
    assert summary.simulations.failed == summary.simulations.quarantined == 0
    cluster.wait(lambda jobs: not jobs)
    runs.assert_nothing_left()


def test_a_block_drains_before_its_time_is_up_and_another_takes_over(runs, cluster):
    """Its walltime is the shortest that Slurm knows, and two thirds of it are for work: not enough for all of it."""
    flags = slurm_flags(
        runs,
        points=27,
        delay=0.2,
        workers=1,
        simulate={'walltime': '00:01:00', 'drain_minutes': 0.35},
        ackley={'points': 27, 'delay_scale': 0.2, 'delay_log_std': 0},
        num_qc_workers=1,
    )
    runs(*flags)
    summary = runs.assert_complete(27)
    assert summary.simulations.lost_and_resubmitted == summary.simulations.failed == 0
    blocks = sorted((int(job.id), job.state) for job in cluster.jobs('--states=all') if 'simulate' in job.name)
    # One that was still there when its time was up would have ended by TIMEOUT.
    assert [state for _, state in blocks[:-1]] == ['COMPLETED'] * max(1, len(blocks) - 1)
    runs.assert_nothing_left()


@pytest.mark.parametrize('cluster', [{'nodes': 2, 'cpus': 2}], indirect=True)
def test_a_block_of_several_nodes_has_workers_on_each(runs, cluster):
    nodes = set()

    def look():
        nodes.update(environment(process).get('SLURMD_NODENAME') for process in runs.processes())
        return {'node0', 'node1'} <= nodes

    flags = slurm_flags(runs, 30, 0.1, workers=1, simulate={'nodes_per_block': 2}, retrain_frequency=100)
    driver = runs.start(*flags)
    runs.wait(look)
    assert len(cluster.jobs()) == 1
    runs.finish(driver)
    runs.assert_complete(30)
    cluster.wait(lambda jobs: not jobs)
    runs.assert_nothing_left()


@pytest.fixture
def working(runs, cluster):
    """A driver at work with a job that runs, and one that waits for ever."""
    held = {'scheduler_options': '#SBATCH --hold'}
    driver = runs.start(*slurm_flags(runs, 30, 0.05, learn=held, retrain_frequency=5))
    follow(runs, driver, cluster, lambda jobs: {job.state for job in jobs} == {'PENDING', 'RUNNING'})
    runs.wait_for_results(6)
    return driver


def test_no_job_outlives_a_driver_that_is_killed(runs, cluster, working):
    working.kill()
    working.communicate(timeout=20)
    cluster.wait(lambda jobs: not jobs)
    runs.wait(lambda: not runs.processes())


def test_jobs_that_nobody_is_left_to_cancel_end_or_are_cancelled_by_who_resumes(runs, cluster, working):
    (waiting,) = (job for job in cluster.jobs() if job.state == 'PENDING')
    for process in runs.processes():
        if 'SLURM_JOB_ID' not in environment(process):
            process.kill()
    working.communicate(timeout=20)
    cluster.wait(lambda jobs: jobs == [waiting])
    runs('--resume', runs.directory, '--quiet')
    runs.assert_complete(30)
    cluster.wait(lambda jobs: not jobs)
    runs.assert_nothing_left()


def test_a_driver_in_a_job_knows_when_the_job_ends(cluster):
    asks = (
        'import json, time; from scoutbee.driver.walltime import job_end; '
        'end = job_end(); print(json.dumps([end.scheduler, end.at - time.time()]))'
    )
    scheduler, seconds = json.loads(cluster.command('srun', '--time=5', sys.executable, '-c', asks))
    assert scheduler == 'Slurm'
    assert 240 < seconds <= 300


def test_a_cluster_dies_with_the_process_that_started_it_and_takes_its_jobs_along():
    starts = (
        'import sys; from slurm_cluster import SlurmCluster\n'
        'with SlurmCluster() as cluster:\n'
        "    cluster.command('sbatch', '--output=/dev/null', '--wrap=setsid sleep 1000')\n"
        "    cluster.wait(lambda jobs: [job for job in jobs if job.state == 'RUNNING'])\n"
        '    print(cluster.environment["SLURM_CONF"], flush=True)\n'
        '    sys.stdin.read()\n'
    )
    owner = subprocess.Popen(
        [sys.executable, '-c', starts],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder = Path(owner.stdout.readline().strip()).parent
    belongings = psutil.Process(owner.pid).children(recursive=True)
    assert {'munged', 'slurmctld', 'slurmd', 'sleep'} <= {process.name() for process in belongings}
    owner.kill()
    owner.communicate()
    _, alive = psutil.wait_procs(belongings, timeout=10)
    shutil.rmtree(folder)
    assert alive == []
