"""What a person meets at `run.py`: the help, and one readable message for whatever is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scoutbee.driver.settings import Settings, flag_of
from scoutbee.driver.settings_flags import flag_name

ROOT = Path(__file__).resolve().parents[2]
FLAGS_OF_THE_ORIGINAL = {
    '--redishost', '--redisport', '--ml-endpoint', '--qc-endpoint', '--nodes-per-task', '--num-qc-workers',
    '--molecules-per-ml-task', '--use-parsl', '--qc-specification', '--mpnn-model-path', '--model-count',
    '--training-set', '--search-space', '--search-size', '--retrain-frequency', '--beta', '--pause-during-update',
    '--learning-rate', '--num-epochs', '--no-proxystore', '--simulate-ps-backend', '--infer-ps-backend',
    '--train-ps-backend', '--ps-threshold', '--ps-file-dir', '--ps-globus-config',
}  # fmt: skip
NEW_FLAGS = {
    '--campaign', '--site', '--engine', '--config', '--surrogate', '--acquisition', '--buffer-size', '--seed',
    '--runs-dir', '--resume', '--dry-run', '--quiet', '--max-hours', '--driver-address', '--ps-endpoints',
}  # fmt: skip


def test_the_help_names_every_flag_with_its_description(run_py):
    done = run_py('--help')
    assert done.returncode == 0
    words = done.stdout.split()
    assert set(words) >= FLAGS_OF_THE_ORIGINAL | NEW_FLAGS
    flat = ' '.join(words)
    for name, field in Settings.model_fields.items():
        if flag_of(name) is not None:
            assert flag_name(name) in words
            assert ' '.join((field.description or '').split()) in flat


def test_the_help_imports_nothing_heavy():
    heavy = ['numpy', 'tensorflow', 'keras', 'rdkit', 'tblite', 'ase', 'parsl', 'colmena', 'sklearn', 'pandas', 'rich']
    code = (
        'import sys; from scoutbee.driver.cli import main; status = main(["--help"]); '
        f'print("heavy:", sorted(set({heavy!r}) & set(sys.modules))); sys.exit(status)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == 'heavy: []'


BAD = [
    (['--sead', '3'], ['--sead', 'did you mean --seed']),
    (['--seed'], ['--seed']),
    (['extra'], ['extra']),
    (['--seed', 'abc'], ['--seed', 'seed in YAML', 'whole number', "'abc'"]),
    (['--surrogate', 'gaussian_process'], ['--surrogate', 'mpnn or environments or fingerprint', 'molecules']),
    (['--nodes-per-task', '4'], ['--nodes-per-task', 'one node']),
    (['--search-size', '0'], ['--search-size', 'at least 1', "'0'"]),
    (['--beta', 'nan'], ['--beta', 'finite', "'nan'"]),
    (['--learning-rate', '-1'], ['--learning-rate', 'more than 0']),
    (['--pause-during-update=sometimes'], ['--pause-during-update', 'none, refill or launch', "'sometimes'"]),
    (['--campaign', 'molecule'], ['--campaign', 'molecules', "'molecule'"]),
    (['--site', 'mars'], ['--site', 'mars', 'local']),
    (['--engine', 'parsl', '--use-parsl'], ['--use-parsl', '--engine']),
    (['--engine', 'globus'], ['--qc-endpoint', 'globus', 'simulate']),
    (['--qc-endpoint', 'a', '--ml-endpoint', 'b', '--use-parsl'], ['--qc-endpoint', 'globus', '--engine parsl']),
    (['--qc-endpoint', 'a'], ['--qc-endpoint', '--ml-endpoint']),
    (['--infer-ps-backend', 'globus'], ['--infer-ps-backend', '--ps-globus-config']),
    (['--train-ps-backend', 'endpoint'], ['--train-ps-backend', '--ps-endpoints']),
    (['--ps-endpoints', 'here,there'], ['--ps-endpoints', 'UUID', "'here'"]),
    (['--driver-address', '0.0.0.0'], ['--driver-address', 'one address', '0.0.0.0']),
    (['--infer-ps-backend', 'ftp'], ['--infer-ps-backend', 'redis', "'ftp'"]),
    (['--ps-threshold', '-1'], ['--ps-threshold', 'at least 0']),
    (['--ps-threshold', 'much'], ['--ps-threshold', 'whole number']),
    (['--search-space', 'nowhere.smi'], ['--search-space', 'nowhere.smi', 'No such file']),
    (['--search-space', '.'], ['--search-space', 'folder']),
    (['--training-set', 'data:nothing.csv'], ['--training-set', 'nothing.csv', 'moses']),
    (['--mpnn-model-path', 'nowhere'], ['--mpnn-model-path', 'nowhere']),
    (['--ps-globus-config', 'nowhere.json'], ['--ps-globus-config', 'nowhere.json']),
    (['--runs-dir', '/dev/null/runs'], ['--runs-dir', '/dev/null']),
    (['--config', 'nowhere.yaml'], ['--config', 'nowhere.yaml', 'No such file']),
    (['--resume', 'nowhere'], ['--resume', 'nowhere']),
    (['--max-hours', '0'], ['--max-hours', 'more than 0']),
    (['--campaign', 'ackley', '--search-size', '751'], ['--search-size', '750', '751']),
    (['--campaign', 'ackley', '--num-qc-workers', '4'], ['policy.slots.reserve', '4', '--num-qc-workers']),
]


def test_a_redis_server_that_is_not_there_is_told_before_anything_starts(command, tmp_path):
    done = command('--campaign', 'ackley', '--redishost', '127.0.0.1', '--redisport', '1')
    assert done.returncode == 2
    assert done.stderr.startswith('run.py: Redis at 127.0.0.1:1 cannot be used: nothing listens there.')
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize(('flags', 'words'), BAD, ids=lambda value: ' '.join(value) if value[0][0] == '-' else '')
def test_bad_input_is_one_readable_message_and_nothing_starts(command, tmp_path, flags, words):
    done = command(*flags, '--dry-run')
    assert done.returncode == 2
    assert done.stdout == ''
    assert 'Traceback' not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bad_input_ends_a_real_process_with_status_2(run_py, tmp_path):
    done = run_py('--seed', 'abc')
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr == "run.py: --seed (seed in YAML): expected a whole number, got 'abc' (from the command line).\n"
    assert list(tmp_path.iterdir()) == []


def test_every_problem_is_named_at_once(run_py):
    done = run_py('--seed', 'x', '--beta', 'y', '--model-count', '0')
    assert done.returncode == 2
    assert all(flag in done.stderr for flag in ('--seed', '--beta', '--model-count'))


def test_the_message_says_where_a_bad_value_came_from(run_py, tmp_path):
    (tmp_path / 'mine.yaml').write_text('policy: {grace: -1}\nsearch_size: many\n')
    done = run_py('--config', 'mine.yaml', SCOUTBEE_SEED='soon')
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert any('policy.grace' in line and 'mine.yaml' in line for line in lines)
    assert any('--search-size' in line and 'mine.yaml' in line for line in lines)
    assert any('--seed' in line and 'the environment' in line for line in lines)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('search_sise: 3', ['search_sise', 'did you mean search_size']),
        ('policy: {reranck: model}', ['policy.reranck', 'did you mean rerank']),
        ('policy: {slot_moves: [{on: never, source: reserve, target: simulate, count: 1}]}', ['slot_moves.0.on']),
        ('ackley: 3', ['ackley', 'keys and values', '3']),
        ('ps_threshold: {training: 3}', ['ps_threshold.training', 'simulate, train or infer']),
        ('- a list', ['mine.yaml', 'search_size: 100']),
        ('a: [', ['mine.yaml', 'line 1']),
        ('seed: 1\nseed: 2', ['seed', 'twice', 'line 2']),
        ('1: 2', ["'1'", 'line 1']),
        ('seed: !!python/object/apply:os.getcwd []', ['mine.yaml']),
        ('quiet: true', ['quiet', '--quiet']),
        ('redis_password: secret', ['redis_password']),
        ('search_size: [1, 2]', ['--search-size', 'whole number']),
        ('search_size: {a: 1}', ['--search-size', 'whole number']),
        ('search_size: 1.5', ['--search-size', 'whole number']),
        ('beta: .nan', ['--beta', 'finite']),
        ('policy: {max_hours: 3}', ['policy.max_hours']),
        ('policy: {deadlines: {simulate: 0}}', ['policy.deadlines.simulate', 'more than 0']),
        ('policy: {grace: 1}\npolicy: {grace: 2}', ['policy', 'twice', 'line 2']),
        ('policy: {grace: 1, grace: 2}', ['grace', 'twice']),
        ('a: &a {b: 1}\nmodel: *a', ['alias *a', 'line 2']),
        ('model: {<<: {a: 1}}', ['<<']),
        ('&a [*a]', ['alias *a']),
        ('seed: ' + '9' * 5000, ['mine.yaml']),
        ('seed: 2026-13-45', ['mine.yaml', 'month']),
        ('a: "\\ud800"', ['mine.yaml']),
        ('[' * 5000, ['mine.yaml', 'deeply']),
        ('--- 1\n--- 2', ['mine.yaml']),
        ('%YAML 9.9\n--- {}', ['mine.yaml']),
        ('\tseed: 1', ['mine.yaml', 'line 1']),
        ('# ' + 'x' * 2_000_000, ['mine.yaml', '1,000,000 bytes']),
    ],
)
def test_a_settings_file_is_read_strictly(command, tmp_path, text, words):
    (tmp_path / 'mine.yaml').write_text(text)
    done = command('--config', 'mine.yaml', '--dry-run')
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 1000
    for word in words:
        assert word in done.stderr


def test_a_few_lines_that_stand_for_billions_of_values_are_refused(command, tmp_path):
    lines = ['a: &a [x, x, x, x, x, x, x, x, x]']
    lines += [f'{n}: &{n} [{", ".join([f"*{m}"] * 9)}]' for m, n in zip('abcdefgh', 'bcdefghi')]  # noqa: B905
    (tmp_path / 'mine.yaml').write_text('\n'.join(lines))
    done = command('--config', 'mine.yaml', '--dry-run')
    assert done.returncode == 2
    assert 'alias *a' in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('content', [b'\x00\x01\x02', b'\x7fELF\x02\x01', b'\x1f\x8b\x08\x00', b'\x89PNG\r\n'])
def test_a_file_that_is_something_else_is_refused(command, tmp_path, content):
    (tmp_path / 'mine.yaml').write_bytes(content)
    done = command('--config', 'mine.yaml', '--dry-run')
    assert done.returncode == 2
    assert 'mine.yaml' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_not_text_is_refused(command, tmp_path):
    (tmp_path / 'mine.yaml').write_bytes(b'\xff\xfe\x00seed')
    done = command('--config', 'mine.yaml', '--dry-run')
    assert done.returncode == 2
    assert 'mine.yaml' in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_dry_run_tells_what_would_happen_and_does_nothing(run_py, tmp_path):
    done = run_py('--campaign', 'ackley', '--engine', 'local', '--dry-run')
    assert done.returncode == 0, done.stderr
    for words in ('ackley', 'engine local', '750 simulations', '4 more in reserve', 'gaussian_process'):
        assert words in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_reader_who_is_gone_changes_nothing():
    command = f'{sys.executable} {ROOT / "run.py"} --help | true; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(['bash', '-c', command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, '')


def test_a_missing_package_is_named():
    # An isolated Python that sees nothing installed, as on a machine where nothing was set up.
    script = ROOT / 'run.py'
    done = subprocess.run(
        [sys.executable, '-S', '-E', str(script), '--help'], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert 'run_local.sh' in done.stderr
    assert 'Traceback' not in done.stderr
