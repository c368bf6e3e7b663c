"""What `--dry-run` tells, against what can be worked out by hand."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.campaigns.options import LearningOptions
from scoutbee.contracts.policy import Policy
from scoutbee.driver.building import build_campaign, cache_directory
from scoutbee.driver.dry_run import space
from scoutbee.driver.dry_run.rounds import Learners, Rounds, plan_rounds, update_seconds
from scoutbee.driver.settings_layers import load_settings
from scoutbee.driver.settings_yaml import dump_params
from scoutbee.traces.records import InferenceRecord, SimulationRecord, TaskRecord, TrainingRecord
from scoutbee.traces.summary import SimulationCounts, Summary, write_summary
from scoutbee.traces.writer import TraceWriter

ENDPOINTS = ('--qc-endpoint', '11111111-2222-3333-4444-555555555555',
             '--ml-endpoint', '66666666-7777-8888-9999-000000000000')  # fmt: skip
SLURM = {'type': 'slurm', 'account': 'm1234', 'nodes_per_block': 2, 'max_blocks': 4, 'walltime': '02:00:00'}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """No features are known at first."""
    folder = tmp_path_factory.mktemp('cache')
    monkeypatch.setenv('XDG_CACHE_HOME', str(folder))
    return folder


@pytest.fixture
def flags(tmp_path):
    """A campaign over 50 molecules, of which 10 more are known; no file of it is in the working directory."""

    def chain(place: int, atom: str) -> str:
        return 'C' * place + atom + 'C' * (50 - place)

    folder = tmp_path / 'inputs'
    folder.mkdir()
    (folder / 'space.smi').write_text('\n'.join(chain(n, 'O') for n in range(50)))
    (folder / 'known.csv').write_text(
        'smiles,ip_adiabatic_ev\n' + ''.join(f'{chain(n, "N")},12.{n}\n' for n in range(10))
    )
    return (
        '--search-space', str(folder / 'space.smi'), '--training-set', str(folder / 'known.csv'), '--surrogate',
        'fingerprint', '--model-count', '3', '--molecules-per-ml-task', '20', '--search-size', '40',
        '--retrain-frequency', '10', '--num-qc-workers', '2', '--runs-dir', str(tmp_path / 'runs'),
    )  # fmt: skip


@pytest.fixture
def told(command, flags):
    """What a dry run prints, its folded lines joined and its spaces single; without ``--dry-run`` it would begin."""

    def run(*more: object) -> str:
        done = command(*flags, *map(str, more), '--dry-run')
        assert done.returncode == 0, done.stderr
        return ' '.join(done.stdout.split())

    return run


@pytest.fixture
def site(tmp_path):
    """Writes a site whose two executors have these fields; returns its path."""

    def write(simulate=None, learn=None, **fields: object) -> Path:
        executors = {
            'cpu': {'kinds': ['simulate'], **(simulate or {})},
            'gpu': {'kinds': ['train', 'infer'], **(learn or {})},
        }
        path = tmp_path / 'inputs' / 'site.yaml'
        path.write_text(yaml.safe_dump({'name': 'there', 'executors': executors, **fields}))
        return path

    return write


def write_run(run_dir: Path, settings, *, simulations=(10.0, 20.0), finished: bool = True, proxies=None) -> None:
    """A run in which simulations took so long, trainings 30 s, and inference half a second for each candidate."""
    run_dir.mkdir(parents=True)
    (run_dir / 'params.yaml').write_text(dump_params(settings))

    def record(kind: type[TaskRecord], number: int, seconds: float, **fields: object) -> TaskRecord:
        return kind(
            task_id=f'{kind.__name__}-{number}', method='any', success=True, timestamps={}, spans={'running': seconds},
            sizes={'inputs': 200, 'value': 4_000}, proxies=proxies or {}, **fields,
        )  # fmt: skip

    with TraceWriter(run_dir) as writer:
        for i, seconds in enumerate(simulations):
            writer.write(record(SimulationRecord, i, seconds, key=f'k{i}', args=[], outcome='observed', value=1.0))
        for i in range(3):
            writer.write(record(TrainingRecord, i, 30.0, generation=1, member=i, observations=10))
            writer.write(record(InferenceRecord, i, 10.0, generation=1, members=[i, i + 1], chunk=0, rows=10))
    if finished:
        counts = SimulationCounts(succeeded=len(simulations))
        write_summary(run_dir, Summary(campaign='molecules', site='local', status='completed', reason='Done.', seed=0,
                                       wall_seconds=1.0, simulations=counts))  # fmt: skip


def row(text: str, topic: str, name: str) -> str:
    """The rest of a line of the table of objects."""
    return text.partition(f' {topic} {name} ')[2]


# -- tasks and bytes ------------------------------------------------------------------------------------------------


def test_the_tasks_of_a_round_are_counted(told):
    text = told()
    assert 'trained at once, and after every 10 observations: 4 training rounds' in text
    assert '10 simulations; 3 trainings; up to 6 inference tasks' in text
    assert '(3 models x 3 chunks of up to 20 candidates, models together)' in text
    assert 'space.smi (2.6 kB): 50 candidates' in text
    assert 'known.csv' in text
    assert '10 known values' in text


def test_sizes_are_estimated_from_typical_molecules_until_features_are_known(told):
    text = told()
    # 10 known and 40 observed at 250 + 8 bytes; rows of a file; 65,536 floats and 169 doubles; 20 floats.
    assert row(text, 'train', 'training set, at the end').startswith('1 ~12.9 kB ~12.9 kB redis')
    assert row(text, 'infer', 'chunk of the search space').startswith('3 400 B 1.2 kB their task')
    assert row(text, 'train', 'trained model').startswith('3 263 kB 790 kB redis')
    assert row(text, 'infer', 'predictions').startswith('3 240 B 720 B their task')
    assert 'they are not in the cache' in text


def test_sizes_are_those_of_the_features_in_the_cache(told, flags, site):
    elsewhere = '--site', str(site(learn={'launch_prefix': 'env'}))  # workers that may not see the cache
    campaign = build_campaign(load_settings((*flags, *elsewhere), {}), cache_directory(), lambda sentence: None)
    text = told(*elsewhere)
    chunk = len(pickle.dumps(campaign.chunks()[0].data, protocol=5))
    said = row(text, 'infer', 'chunk of the search space').split()[1:3]
    assert said[1] == 'kB'
    assert float(said[0]) == pytest.approx(chunk / 1000, abs=0.6)  # names and types are not counted
    assert '~' not in text
    assert 'not in the cache' not in text


def test_what_is_smaller_than_the_threshold_goes_with_its_task(told):
    assert row(told('--ps-threshold', '300000'), 'train', 'trained model').startswith('3 263 kB 790 kB their task')
    text = told('--no-proxystore')
    assert 'All objects travel with their tasks.' in text
    assert 'redis,' not in text


def test_points_are_weighed_exactly(command):
    done = command('--campaign', 'ackley', '--dry-run')
    text = ' '.join(done.stdout.split())
    # A Gaussian process of 750 points of 4 coordinates and 1,024 features: 8 x (16 + 750 x 5 + 1,024 x 6) bytes.
    assert row(text, 'train', 'trained model').startswith('1 79.3 kB 79.3 kB their task')
    assert row(text, 'infer', 'chunk of the search space').startswith('1 24 kB')
    assert 'trained after every 50 observations: 14 training rounds' in text
    assert '6 workers take 6 cores' in text


def test_a_file_that_cannot_be_used_is_refused(command, flags, tmp_path):
    (tmp_path / 'inputs' / 'known.csv').write_text('smiles,other\nC,1\n')
    done = command(*flags, '--dry-run')
    assert done.returncode == 2
    assert 'ip_adiabatic_ev' in done.stderr


# -- times ----------------------------------------------------------------------------------------------------------


def test_without_an_earlier_run_no_time_is_told(told):
    text = told()
    assert 'Time, roughly' not in text
    assert 'How long tasks take: no finished run in' in text
    assert 'What simulations return, in bytes: no earlier run tells.' in text


def test_times_are_those_of_the_newest_finished_run_that_did_the_same(told, flags, tmp_path):
    settings = load_settings(flags, {})
    write_run(tmp_path / 'runs' / 'mine', settings)
    write_run(tmp_path / 'runs' / 'still-going', settings, simulations=(1000.0,), finished=False)
    write_run(tmp_path / 'runs' / 'others', load_settings((*flags, '--qc-specification', 'xtb-vertical'), {}))
    text = told()
    assert 'Task times are those of mine at the site local' in text
    assert 'simulate: median 15 s, mean 15 s, longest 20 s; of 2 tasks' in text
    assert 'infer: median 10 s, mean 10 s, longest 10 s; of 3 tasks, scaled to one model and 20 candidates' in text
    assert '10 simulations on 2 workers: 75 s' in text
    # One worker trains and asks in turn, three times: 30 s and then three chunks of 10 s.
    assert 'an update, from training to the last prediction: 3 min 0 s' in text
    # 40 simulations of 15 s on two workers, after the first update.
    assert 'all that is ahead: 8 min 0 s' in text
    assert row(text, 'simulate', 'result').startswith('10 4 kB 40 kB their task')
    assert 'no finished run' not in text


def test_other_work_tells_nothing(told, flags, tmp_path):
    settings = load_settings(flags, {})
    write_run(tmp_path / 'runs' / 'mine', settings)
    assert 'no finished run' in told('--num-epochs', '3')


def test_launches_that_pause_wait_for_every_update(told, flags, tmp_path):
    write_run(tmp_path / 'runs' / 'mine', load_settings(flags, {}))
    assert 'all that is ahead: 17 min 0 s' in told('--pause-during-update')  # 300 s, and four updates of 180 s


def test_a_run_that_goes_on_tells_by_itself_what_is_left(command, flags, tmp_path):
    write_run(tmp_path / 'runs' / 'mine', load_settings(flags, {}), simulations=[15.0] * 20, finished=False)
    done = command('--resume', str(tmp_path / 'runs' / 'mine'), '--dry-run')
    text = ' '.join(done.stdout.split())
    assert 'which has 20 of them' in text
    assert 'trained after every 10 observations: 1 training round,' in text
    assert 'all that is ahead: 2 min 30 s' in text


@pytest.mark.parametrize(
    ('learners', 'seconds'),
    [
        (Learners(1, 1), 36.0),  # the third model is trained after 30 s, and asked twice
        (Learners(3, 1), 28.0),  # all are trained after 10 s, and one worker is asked six times
        (Learners(2, 2), 23.0),  # trained after 10, 10 and 20 s; the last is asked twice at once
        (Learners(1, 1, shared=1), 48.0),  # three times a training and two questions
        (Learners(2, 2, shared=2), 29.0),  # two models and four questions on two workers; one model and two
    ],
)
def test_an_update_takes_as_long_as_its_workers_need(learners, seconds):
    rounds = Rounds(100, 10, 9, True, members=3, chunks=2, chunk_size=5, passes=2)
    assert update_seconds(rounds, learners, 10.0, 3.0) == seconds


@given(
    size=st.integers(1, 200),
    every=st.integers(1, 60),
    known=st.integers(0, 30),
    done=st.integers(0, 200),
    has_models=st.booleans(),
)
def test_rounds_are_as_many_as_observations_call_for(size, every, known, done, has_models):
    done = min(done, size)
    learning = LearningOptions(minimum_observations=8)
    policy = Policy(search_size=size, retrain_frequency=every)
    rounds = plan_rounds(policy, learning, candidates=1_000, known=known, done=done, has_models=has_models)
    due = [n for n in range(0, size, every) if known + n >= 8 and not (has_models and n == 0)]
    assert rounds.count == len([n for n in due if n > done or (n == 0 and not done)])
    assert rounds.remaining == size - done
    assert rounds.chunks == math.ceil(1_000 / rounds.chunk_size)


# -- sites ----------------------------------------------------------------------------------------------------------


def test_a_batch_site_shows_its_blocks_and_job_scripts(told, site):
    there = site(simulate={'workers': 32, 'provider': SLURM}, address='127.0.0.1', description='A cluster.')
    text = told('--site', there, '--num-qc-workers', 256)
    assert 'engine parsl: A cluster.' in text
    assert 'executor cpu for simulate: 256 workers at most = 32 a node x 2 a block x 4 blocks' in text
    assert 'nodes from Slurm for 02:00:00, no new task in their last 5 min' in text
    assert 'of executor cpu: #!/bin/bash' in text
    for line in ('#SBATCH --account=m1234', '#SBATCH --nodes=2', '#SBATCH --time=120', '--port=PORT'):
        assert line in text
    assert 'of executor gpu' not in text
    assert 'How long jobs wait in the queue' in text


def test_a_store_on_loopback_is_told_where_workers_are_elsewhere(told, site):
    there = site(simulate={'workers': 2, 'provider': SLURM}, address='127.0.0.1')
    text = told('--site', there)
    assert 'The backend redis of simulate is served on loopback alone' in text
    elsewhere = told('--site', there, '--redishost', 'redis.example', '--redisport', '6390')
    assert 'loopback alone' not in elsewhere
    assert 'Whether Redis answers at redis.example:6390 and takes the password.' in elsewhere
    by_file = told('--site', there, '--simulate-ps-backend', 'file', '--ps-file-dir', '/tmp')
    assert 'loopback alone' not in by_file
    assert 'Whether the workers of simulate see /tmp under the same path.' in by_file


def test_an_address_of_another_machine_is_told(told, site):
    there = site(simulate={'workers': 2, 'provider': SLURM}, address='203.0.113.7')
    text = told('--site', there)
    assert 'On this machine the run would be refused.' in text
    assert '203.0.113.7' in text


def test_an_endpoint_gets_no_message_that_its_service_would_refuse(told):
    large = ('--engine', 'globus', *ENDPOINTS, '--search-space', 'data:moses-20k.smi.gz',
             '--molecules-per-ml-task', '20000', '--model-count', '16')  # fmt: skip
    text = told(*large, '--no-proxystore')
    assert f'at the Globus Compute endpoint {ENDPOINTS[1]}' in text
    # A chunk of 5 MB and 16 models of 0.26 MB, which one task may be about, in base64.
    assert 'Messages of infer come to 12.5 MB, and Globus Compute carries at most 10 MB.' in text
    assert 'Messages of train' not in text
    assert 'Whether the endpoints are online' in text
    by_file = told(*large, '--infer-ps-backend', 'file')
    assert 'Messages of' not in by_file
    assert 'The files of infer go into the run directory' in by_file
    assert 'The backend redis of simulate and train is served on loopback alone' in by_file


def test_accelerators_that_nobody_would_use_are_told(told, site):
    def cautions(surrogate='mpnn', **learn):
        return told('--surrogate', surrogate, '--site', site(learn={'workers': 1, **learn}))

    idle = 'Executor gpu: its accelerators will stand idle'
    assert idle in cautions(accelerators=1)
    assert idle not in cautions(accelerators=1, env={'KERAS_BACKEND': 'jax'})
    assert idle not in cautions(accelerators=1, surrogate='fingerprint')
    assert idle not in cautions()


def test_a_walltime_is_held_against_the_longest_task_known(told, site, flags, tmp_path):
    write_run(tmp_path / 'runs' / 'mine', load_settings(flags, {}), simulations=(10.0, 100.0))
    short = {**SLURM, 'walltime': '00:01:00', 'drain_minutes': 0}
    text = told('--site', site(simulate={'workers': 1, 'provider': short}, address='127.0.0.1'))
    assert 'Executor cpu: a task of simulate took up to 100 s, longer than the walltime of 00:01:00' in text
    late = {**SLURM, 'walltime': '01:00:00', 'drain_minutes': 0.5}
    text = told('--site', site(simulate={'workers': 1, 'provider': late}, address='127.0.0.1'))
    assert 'took up to 100 s, but a block takes tasks until 30 s before its end' in text
    enough = {**SLURM, 'walltime': '01:00:00', 'drain_minutes': 2}
    text = told('--site', site(simulate={'workers': 1, 'provider': enough}, address='127.0.0.1'))
    assert 'took up to' not in text


def test_more_workers_than_cores_and_a_small_cache_are_told(told, site):
    text = told('--site', site(learn={'workers': 1000, 'cache_mb': 0.001}))
    assert 'Executor gpu: its 1000 workers take 1000 cores' in text
    assert 'Executor cpu: its' not in text
    # Chunks go with their tasks, so these are three models of 263 kB and a training set of 13 kB.
    assert 'what its tasks are sent in a round comes to 803 kB, and a worker keeps 1 kB' in text


def test_a_buffer_that_leaves_workers_idle_is_told(told):
    assert 'The buffer of 2 is smaller than the 3 simulations at once' in told('--buffer-size', '2')
    assert 'The buffer of' not in told('--buffer-size', '3')


def test_what_went_through_a_store_is_weighed_there(told, flags, tmp_path):
    write_run(tmp_path / 'runs' / 'mine', load_settings(flags, {}), proxies={'x': {'out': {'bytes': 30_000}}})
    text = told()
    assert row(text, 'simulate', 'result').startswith('10 30 kB 300 kB redis')
    assert row(text, 'simulate', 'arguments').startswith('10 200 B 2 kB their task')


def test_a_time_limit_is_held_against_what_is_ahead(told, flags, tmp_path):
    write_run(tmp_path / 'runs' / 'mine', load_settings(flags, {}))
    assert 'All of it may take about 8 min 0 s' in told('--max-hours', '0.1')
    assert 'All of it may take' not in told('--max-hours', '1')


# -- how it is told -------------------------------------------------------------------------------------------------


def test_a_campaign_of_which_nothing_is_known_beforehand_is_told_all_the_same(told, monkeypatch):
    monkeypatch.setattr(space, 'SURVEYORS', {})
    text = told()
    assert 'trained after every 10 observations' in text
    assert 'topic object' not in text
    assert 'What the campaign molecules searches, and so how many tasks and bytes there will be.' in text


def test_it_fits_a_terminal_and_writes_nothing(command, flags, tmp_path, cache):
    before = sorted(tmp_path.rglob('*'))
    done = command(*flags, '--dry-run')
    assert max(map(len, done.stdout.splitlines())) <= 100 + len(str(tmp_path))
    assert sorted(tmp_path.rglob('*')) == before
    assert list(cache.iterdir()) == []


def test_it_imports_nothing_heavy():
    heavy = ['tensorflow', 'keras', 'rdkit', 'tblite', 'ase', 'parsl', 'colmena', 'sklearn', 'pandas']
    code = (
        'import sys; from scoutbee.driver.cli import main; status = main(["--dry-run"]); '
        f'print("heavy:", sorted(set({heavy!r}) & set(sys.modules))); sys.exit(status)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == 'heavy: []'
