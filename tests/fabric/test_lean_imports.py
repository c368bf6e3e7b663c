"""What the processes of a campaign import, and what they do not."""

import subprocess
import sys
from importlib import import_module

import pytest

from scoutbee.fabric.lean_imports import Unchecked, as_if_missing, import_bare, in_place_of

NOT_NEEDED = ('pandas', 'pyarrow', 'globus_compute_sdk', 'tensorflow', 'rdkit', 'matplotlib')
NOT_NEEDED_BY_PARSL = ('colmena', 'numpy', 'redis', 'parsl.dataflow', 'requests.sessions', 'typeguard._checkers')


def imported(code, names=NOT_NEEDED):
    """Which libraries that take long are imported after some code."""
    told = f'import sys\n{code}\nprint(*(name for name in {names} if name in sys.modules))'
    done = subprocess.run([sys.executable, '-c', told], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    'code',
    [
        'from scoutbee.fabric import lean_proxystore\nimport scoutbee.driver.assembly',
        'from scoutbee.fabric.engines import import_engine\nimport_engine("parsl")',
        'from scoutbee.fabric import lean_proxystore\nimport scoutbee.fabric.methods',
        'import scoutbee.fabric.hosted',
    ],
    ids=['driver', 'task server', 'worker', 'host of a worker'],
)
def test_a_process_of_a_campaign_imports_only_what_it_uses(code):
    assert imported(code) == []


@pytest.mark.parametrize(
    'code',
    [
        'from scoutbee.fabric import bare_parsl\nimport parsl.executors.high_throughput.interchange',
        'from scoutbee.fabric import bare_parsl\nimport parsl.executors.high_throughput.process_worker_pool',
        'import scoutbee.fabric.parsl_workers',
    ],
    ids=['interchange', 'manager', 'what workers are forked from'],
)
def test_the_processes_of_parsl_import_only_what_they_use(code):
    assert imported(code, (*NOT_NEEDED, *NOT_NEEDED_BY_PARSL)) == []


def test_the_modules_of_a_bare_package_are_imported_without_it(tmp_path, monkeypatch):
    outer = tmp_path / 'scoutbee_test_outer'
    (outer / 'inner').mkdir(parents=True)
    for package in (outer, outer / 'inner'):
        (package / '__init__.py').write_text('raise AssertionError("it was run")')
    (outer / 'inner' / 'leaf.py').write_text('from scoutbee_test_outer import inner\nINNER = inner.__name__')
    monkeypatch.syspath_prepend(tmp_path)
    names = ('scoutbee_test_outer', 'scoutbee_test_outer.inner')
    with monkeypatch.context() as patch:
        for name in (*names, 'scoutbee_test_outer.inner.leaf'):
            patch.setitem(sys.modules, name, None)
            patch.delitem(sys.modules, name)
        import_bare(*names)
        outer_module = sys.modules[names[0]]
        import_bare(*names)
        assert sys.modules[names[0]] is outer_module
        assert import_module('scoutbee_test_outer.inner.leaf').INNER == 'scoutbee_test_outer.inner'


def test_a_package_that_is_not_installed_cannot_be_imported_bare():
    with pytest.raises(ModuleNotFoundError, match='scoutbee_test_nowhere'):
        import_bare('scoutbee_test_nowhere')


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


def test_a_stand_in_is_found_only_inside_and_not_instead_of_what_is_imported():
    assert 'antigravity' not in sys.modules
    with in_place_of(Unchecked('antigravity')), in_place_of(Unchecked('sys')):
        import antigravity

        assert antigravity.typechecked(len) is len
        assert import_module('sys') is sys
    assert 'antigravity' not in sys.modules
    assert import_module('sys') is sys
