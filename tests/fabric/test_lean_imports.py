"""What the processes of a campaign import, and what they do not."""

import subprocess
import sys

import pytest

from scoutbee.fabric.lean_imports import as_if_missing

NOT_NEEDED = ('pandas', 'pyarrow', 'globus_compute_sdk', 'tensorflow', 'rdkit', 'matplotlib')


def imported(code):
    """Which libraries that take long are imported after some code."""
    told = f'import sys\n{code}\nprint(*(name for name in {NOT_NEEDED} if name in sys.modules))'
    done = subprocess.run([sys.executable, '-c', told], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    'code',
    [
        'from scoutbee.fabric import lean_proxystore\nimport scoutbee.driver.assembly',
        'from scoutbee.fabric.engines import import_engine\nimport_engine("parsl")',
        'from scoutbee.fabric import lean_parsl\nimport parsl.executors.high_throughput.process_worker_pool',
        'from scoutbee.fabric import lean_proxystore\nimport scoutbee.fabric.methods',
        'import scoutbee.fabric.hosted',
    ],
    ids=['driver', 'task server', 'manager', 'worker', 'host of a worker'],
)
def test_a_process_of_a_campaign_imports_only_what_it_uses(code):
    assert imported(code) == []


def test_what_was_hidden_can_be_imported_afterwards():
    assert imported('from scoutbee.fabric import lean_proxystore\nimport pandas\npandas.DataFrame') == [
        'pandas',
        'pyarrow',
    ]


def test_hidden_modules_seem_not_to_be_installed():
    assert 'this' not in sys.modules
    with as_if_missing('this', 'sys'), pytest.raises(ModuleNotFoundError, match='this'):
        import this  # noqa: F401
    assert 'this' not in sys.modules
    assert sys.modules['sys'] is sys
