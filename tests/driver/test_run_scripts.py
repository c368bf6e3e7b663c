"""The scripts that run the main job at a site, but for the environment that they make, which is that of the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in ROOT.glob('run_*.sh'))
NEEDS = {
    'run_local.sh': {},
    'run_perlmutter.sh': {'ACCOUNT': 'bees'},
    'run_polaris.sh': {'ACCOUNT': 'bees'},
    'run_theta.sh': {
        'QC_ENDPOINT': '11111111-1111-4111-8111-111111111111',
        'ML_ENDPOINT': '22222222-2222-4222-8222-222222222222',
    },
}


@pytest.fixture
def script(tmp_path):
    """Runs a script of a checkout whose environment is at hand."""
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools' / 'environment.sh').write_text(
        f'. {ROOT}/tools/environment.sh\nprepare_environment() {{ python={sys.executable}; }}\n'
    )
    (tmp_path / 'run.py').symlink_to(ROOT / 'run.py')
    known = {name for needs in NEEDS.values() for name in needs} | {'REDIS_HOST', 'DRIVER_ADDRESS'}
    clean = {name: value for name, value in os.environ.items() if name not in known}

    def run(name, *flags, **environment):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
        return subprocess.run(
            ['bash', name, *flags],
            cwd=tmp_path,
            env={**clean, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.parametrize('name', SCRIPTS)
def test_a_script_is_shell_and_can_be_run(name):
    done = subprocess.run(['bash', '-n', str(ROOT / name)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    assert os.access(ROOT / name, os.X_OK)


@pytest.mark.parametrize('name', NEEDS)
def test_a_script_can_be_looked_at_before_it_does_anything(script, tmp_path, name):
    done = script(name, '--dry-run', **NEEDS[name])
    assert done.returncode == 0, done.stderr
    assert 'Nothing is started' in done.stdout
    assert name.removeprefix('run_').removesuffix('.sh') in done.stdout
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize(('name', 'variable'), [(name, each) for name, needs in NEEDS.items() for each in needs])
def test_what_a_script_cannot_know_it_asks_for(script, name, variable):
    rest = {other: value for other, value in NEEDS[name].items() if other != variable}
    done = script(name, '--dry-run', **rest)
    assert done.returncode == 2
    assert done.stdout == ''
    assert len(done.stderr.splitlines()) == 1
    assert f'{variable}=... ./{name}' in done.stderr


def test_flags_go_before_what_a_script_says(script):
    done = script('run_polaris.sh', '--dry-run', '--site', 'local', '--search-size', '17', ACCOUNT='bees')
    assert done.returncode == 0
    assert '17 simulations' in done.stdout
    assert 'local, engine parsl' in done.stdout


def test_the_redis_server_of_the_two_site_example_can_be_given(script):
    done = script('run_theta.sh', '--dry-run', REDIS_HOST='redis.example.org', **NEEDS['run_theta.sh'])
    assert 'redis.example.org' in done.stdout
