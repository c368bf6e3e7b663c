"""Campaigns as a person runs them: one command, real servers, real physics, real models."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord, SelectionRecord, SimulationRecord, TrainingRecord
from scoutbee.traces.summary import read_summary

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

# Small enough for a tenth of a second each, and different enough to be ordered.
MOLECULES = ['O', 'N', 'CO', 'CN', 'C=O', 'CC', 'C#N', 'CF', 'OO', 'NN', 'C#C', 'CCl', 'CS', 'C=C', 'NO', 'O=C=O']

STEADY = {'slots': {'reserve': 0}, 'slot_moves': []}


@pytest.fixture
def run(tmp_path):
    """Runs run.py in an empty folder; returns what it said."""

    def start(*flags, **environment):
        return subprocess.Popen(
            [sys.executable, str(ROOT / 'run.py'), *map(str, flags)],
            cwd=tmp_path,
            env={**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache'), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(*flags, status=0, **environment):
        process = start(*flags, **environment)
        out, err = process.communicate(timeout=280)
        assert process.returncode == status, f'{out}\n{err}'
        return out

    finish.start = start
    finish.folder = tmp_path
    return finish


def run_dirs(run):
    return sorted(path for path in (run.folder / 'runs').iterdir() if path.is_dir())


@pytest.fixture
def molecules(tmp_path):
    """Flags of a molecules campaign over a tiny space, with what is known of some larger molecules."""
    space = tmp_path / 'space.smi'
    space.write_text('\n'.join([*MOLECULES, 'not a molecule!', 'O']) + '\n')
    with (ROOT / 'data' / 'moses-ip-gfn2.csv').open() as file:
        known = list(csv.DictReader(file))[:30]
    training = tmp_path / 'known.csv'
    with training.open('w', newline='') as file:
        writer = csv.DictWriter(file, ['smiles', 'ip_adiabatic_ev'], extrasaction='ignore')
        writer.writeheader()
        writer.writerows(known)
    return (
        '--campaign', 'molecules', '--search-space', space, '--training-set', training, '--search-size', '5',
        '--retrain-frequency', '3', '--model-count', '2', '--molecules-per-ml-task', '6', '--seed', '1',
    )  # fmt: skip


@pytest.fixture
def ackley(tmp_path):
    """Flags of a small ackley campaign."""

    def make(points=60, delay=0.0, **policy):
        config = tmp_path / 'ackley.yaml'
        settings = {
            'ackley': {'points': points, 'delay_scale': delay},
            'search_size': points,
            'retrain_frequency': 20,
            'buffer_size': points,
            'num_qc_workers': 2,
            'policy': {**STEADY, **policy},
        }
        config.write_text(yaml.safe_dump(settings))
        return ('--campaign', 'ackley', '--engine', 'local', '--config', config, '--seed', '3')

    return make


def assert_complete(run_dir, succeeded):
    summary = read_summary(run_dir)
    assert summary.status == 'completed'
    assert summary.simulations.succeeded == succeeded
    assert summary.proxies.leaked == 0
    assert summary.proxies.created == summary.proxies.evicted
    assert summary.slots['simulate'].utilization > 0
    for name in ('params.yaml', 'provenance.json', 'runtime.log', 'events.jsonl', 'report.html'):
        assert (run_dir / name).stat().st_size > 0
    keys = [r.key for r in read(run_dir, SimulationRecord) if r.outcome == 'observed']
    assert len(keys) == len(set(keys)) == succeeded
    return summary


def children_of(pid):
    return psutil.Process(pid).children(recursive=True)


def assert_gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []


def wait_for_results(run, wanted, seconds=90):
    """Follow the run directory until so many results are in it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = list((run.folder / 'runs').glob('*/simulation-results.jsonl'))
        if found and len(found[0].read_text().splitlines()) >= wanted:
            return
        time.sleep(0.05)
    raise TimeoutError(f'Expected {wanted} results within {seconds} s.')


def observed(run_dir):
    return {r.key: r.value for r in read(run_dir, SimulationRecord) if r.outcome == 'observed'}


def test_ackley_finishes_and_its_settings_can_be_used_again(run, ackley):
    out = run(*ackley(), '--quiet')
    (first,) = run_dirs(run)
    assert_complete(first, 60)
    assert 'Best of 60 simulations' in out
    assert str(first) in out
    run('--config', first / 'params.yaml', '--search-size', '10', '--quiet')
    second = next(path for path in run_dirs(run) if path != first)
    assert_complete(second, 10)
    assert observed(second).items() <= observed(first).items()


@pytest.mark.parametrize('backend', ['redis', 'file'])
def test_real_ionization_potentials_steered_by_fingerprints_leave_no_object_behind(run, molecules, backend):
    backends = [f'--{topic}-ps-backend={backend}' for topic in ('simulate', 'train', 'infer')]
    out = run(*molecules, '--engine', 'local', '--surrogate', 'fingerprint', *backends, '--ps-threshold', '100')
    (run_dir,) = run_dirs(run)
    assert assert_complete(run_dir, 5).proxies.created > 0
    assert 'Best of 5 simulations' in out
    for record in read(run_dir, SimulationRecord):
        assert 8 < record.value < 25
        assert record.output['ip_kind'] == 'adiabatic'
    assert all(r.success for r in read(run_dir, InferenceRecord))
    assert not [path for path in (run_dir / 'objects').rglob('*') if path.is_file()]
    assert '<svg' in (run_dir / 'report.html').read_text()


def test_message_passing_networks_through_parsl_and_from_a_saved_ensemble(run, molecules):
    run(*molecules, '--engine', 'parsl', '--num-epochs', '4')
    (first,) = run_dirs(run)
    assert_complete(first, 5)
    assert {'g1m0.npz', 'g1m1.npz'} <= {path.name for path in (first / 'models').iterdir()}
    assert all(r.metrics for r in read(first, TrainingRecord))
    run(*molecules, '--engine', 'local', '--num-epochs', '4', '--mpnn-model-path', first, '--no-proxystore', '--quiet')
    second = next(path for path in run_dirs(run) if path != first)
    assert_complete(second, 5)
    assert next(iter(read(second, SelectionRecord))).models[0] == 'g0m0'


def test_a_redis_server_of_ones_own_is_used_with_its_password_and_left_clean(run, ackley, tmp_path):
    with EmbeddedRedis() as server:
        where = ('--redishost', server.address.host, '--redisport', server.address.port, '--quiet')
        password = tmp_path / 'password'
        password.write_text(server.address.password + '\n')
        run(*ackley(points=20), *where, SCOUTBEE_REDIS_PASSWORD_FILE=str(password))
        (run_dir,) = run_dirs(run)
        assert_complete(run_dir, 20)
        assert server.address.connect().keys() == []
        run(*ackley(points=20), *where, SCOUTBEE_REDIS_PASSWORD='wrong', status=2)
        assert run_dirs(run) == [run_dir]


def test_ctrl_c_keeps_everything_and_resume_goes_on(run, ackley):
    process = run.start(*ackley(points=80, delay=0.02, grace=5))
    wait_for_results(run, 5)
    others = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, f'{out}\n{err}'
    assert_gone(others)
    (run_dir,) = run_dirs(run)
    before = read_summary(run_dir)
    assert before.status == 'interrupted'
    assert 0 < before.simulations.succeeded < 80
    run('--resume', run_dir, '--quiet')
    assert run_dirs(run) == [run_dir]
    after = assert_complete(run_dir, 80)
    assert (after.resumed, after.simulations.submitted) == (1, 80)


def test_a_killed_driver_leaves_no_process_and_can_be_resumed(run, ackley):
    process = run.start(*ackley(points=60, delay=0.02))
    wait_for_results(run, 5)
    others = children_of(process.pid)
    assert others
    process.kill()
    process.communicate(timeout=20)
    assert_gone(others)
    (run_dir,) = run_dirs(run)
    assert not (run_dir / 'summary.json').exists()
    run('--resume', run_dir, '--quiet')
    assert_complete(run_dir, 60)


def test_a_dead_task_server_is_started_again(run, ackley):
    process = run.start(*ackley(points=40, delay=0.02, simulation_lease=8))
    wait_for_results(run, 5)
    server = next(p for p in psutil.Process(process.pid).children() if 'spawn_main' in ' '.join(p.cmdline()))
    server.kill()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f'{out}\n{err}'
    (run_dir,) = run_dirs(run)
    assert_complete(run_dir, 40)
    assert 'task_server_died' in (run_dir / 'events.jsonl').read_text()


def test_what_stands_in_the_environment_stays_out_of_the_run_directory(run, ackley):
    run(*ackley(points=20), '--quiet', SCOUTBEE_REDIS_PASSWORD='hunter2-hunter2', ANOTHER_SECRET='hunter2-hunter2')
    (run_dir,) = run_dirs(run)
    for path in run_dir.rglob('*'):
        if path.is_file():
            assert b'hunter2-hunter2' not in path.read_bytes(), path
