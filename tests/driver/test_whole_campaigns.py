"""Campaigns as a person runs them: one command, real servers, real physics, real models."""

import csv

import pytest
from campaign_runs import ROOT, ackley_flags

from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord, SelectionRecord, SimulationRecord, TrainingRecord

pytestmark = pytest.mark.slow

# Small enough for a tenth of a second each, and different enough to be ordered.
MOLECULES = ['O', 'N', 'CO', 'CN', 'C=O', 'CC', 'C#N', 'CF', 'OO', 'NN', 'C#C', 'CCl', 'CS', 'C=C', 'NO', 'O=C=O']


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


def observed(run_dir):
    return {r.key: r.value for r in read(run_dir, SimulationRecord) if r.outcome == 'observed'}


def test_ackley_finishes_and_its_settings_can_be_used_again(runs):
    out = runs(*ackley_flags(runs.folder), '--quiet')
    first = runs.directory
    runs.assert_complete(60)
    assert 'Best of 60 simulations' in out
    assert str(first) in out
    runs('--config', first / 'params.yaml', '--search-size', '10', '--quiet')
    second = next(path for path in runs.directories if path != first)
    runs.assert_complete(10, second)
    assert observed(second).items() <= observed(first).items()


@pytest.mark.parametrize('backend', ['redis', 'file'])
def test_real_ionization_potentials_steered_by_fingerprints_leave_no_object_behind(runs, molecules, backend):
    backends = [f'--{topic}-ps-backend={backend}' for topic in ('simulate', 'train', 'infer')]
    out = runs(*molecules, '--engine', 'local', '--surrogate', 'fingerprint', *backends, '--ps-threshold', '100')
    run_dir = runs.directory
    assert runs.assert_complete(5).proxies.created > 0
    assert 'Best of 5 simulations' in out
    for record in read(run_dir, SimulationRecord):
        assert 8 < record.value < 25
        assert record.output['ip_kind'] == 'adiabatic'
    assert all(r.success for r in read(run_dir, InferenceRecord))
    assert not [path for path in (run_dir / 'objects').rglob('*') if path.is_file()]
    assert '<svg' in (run_dir / 'report.html').read_text()


def test_message_passing_networks_through_parsl_and_from_a_saved_ensemble(runs, molecules):
    # Paused, so that it waits for both models: the molecules, of which there are enough to begin with, take less time.
    learning = (*molecules, '--num-epochs', '4', '--pause-during-update')
    runs(*learning, '--engine', 'parsl')
    first = runs.directory
    runs.assert_complete(5)
    assert {'g1m0.npz', 'g1m1.npz'} <= {path.name for path in (first / 'models').iterdir()}
    assert all(r.metrics for r in read(first, TrainingRecord))
    runs(*learning, '--engine', 'local', '--mpnn-model-path', first, '--no-proxystore', '--quiet')
    second = next(path for path in runs.directories if path != first)
    runs.assert_complete(5, second)
    assert next(iter(read(second, SelectionRecord))).models[0] == 'g0m0'


def test_a_redis_server_of_ones_own_is_used_with_its_password_and_left_clean(runs, tmp_path):
    with EmbeddedRedis() as server:
        where = ('--redishost', server.address.host, '--redisport', server.address.port, '--quiet')
        password = tmp_path / 'password'
        password.write_text(server.address.password + '\n')
        runs(*ackley_flags(runs.folder, points=20), *where, SCOUTBEE_REDIS_PASSWORD_FILE=str(password))
        run_dir = runs.directory
        runs.assert_complete(20)
        assert server.address.connect().keys() == []
        runs(*ackley_flags(runs.folder, points=20), *where, SCOUTBEE_REDIS_PASSWORD='wrong', status=2)
        assert runs.directories == [run_dir]


def test_what_stands_in_the_environment_stays_out_of_the_run_directory(runs):
    runs(
        *ackley_flags(runs.folder, points=20),
        '--quiet',
        SCOUTBEE_REDIS_PASSWORD='hunter2-hunter2',
        ANOTHER_SECRET='hunter2-hunter2',
    )
    run_dir = runs.directory
    for path in run_dir.rglob('*'):
        if path.is_file():
            assert b'hunter2-hunter2' not in path.read_bytes(), path
