import gzip
import json

import pytest
import yaml

from scoutbee import data

SIMULATED = 3


@pytest.fixture
def space(tmp_path):
    """Molecules, none of which is known."""
    path = tmp_path / 'space.smi'
    with gzip.open(data.path('moses-20k.smi.gz'), 'rt') as molecules:
        # The short ones, so that a simulation takes a second.
        path.write_text('\n'.join(sorted(map(str.strip, molecules), key=len)[:12]))
    return path


@pytest.fixture
def flags(tmp_path, space):
    """What the script is told, but for the methods."""
    return ['--runs', str(tmp_path / 'runs'), '--search-space', str(space), '--simulations', str(SIMULATED)]


def figures(values=(), **changes):
    from paper_protocol_figures import Figures

    known = {'method': 'mpnn', 'seed': 0, 'wanted': 4, 'threshold': 14.0, 'simulating': 1800.0, 'learning': 1800.0}
    return Figures(**{**known, 'values': list(values), 'wall': 60.0, **changes})


def test_hits_are_counted_in_the_order_of_the_simulations():
    run = figures([13.9, 14.0, 15.0])
    assert [run.hits(count) for count in (1, 2, 3, 4)] == [0, 1, 2, None]
    assert run.hits_a_cpu_hour == pytest.approx(2)
    assert run.best == pytest.approx((13.9 + 14.0 + 15.0) / 3)


def test_the_best_ten_are_the_mean_of_the_ten_largest():
    assert figures([10.0, *[15.0] * 10]).best == pytest.approx(15)


def test_a_folder_without_runs_says_so(tmp_path, capsys):
    from paper_protocol import main

    assert main(['--runs', str(tmp_path), '--report']) == 0
    assert 'No run' in capsys.readouterr().out


def test_settings_are_those_of_the_protocol_with_what_a_method_changes(space):
    from paper_protocol import METHODS, SETTINGS, settings_of

    shared = yaml.safe_load(SETTINGS.read_text())
    for method, changes in METHODS.items():
        settings = settings_of(method, 3, 250, space, None)
        assert settings['seed'] == 3
        assert settings['search_size'] == 250
        assert {key: settings[key] for key in changes} == dict(changes)
        assert settings['molecules'] == shared['molecules']


def test_every_method_is_a_campaign_that_run_py_accepts(tmp_path, space):
    from paper_protocol import METHODS, Run, settings_of

    from scoutbee.driver.settings_layers import load_settings

    for method in METHODS:
        run = Run(method, 0, tmp_path / f'{method}-0')
        run.prepare(settings_of(method, 0, 250, space, 2))
        assert load_settings(run.command()[2:], {}).search_size == 250


def test_runs_of_other_settings_are_not_gone_on_with(tmp_path, space):
    from paper_protocol import Run, settings_of

    run = Run('greedy', 0, tmp_path / 'greedy-0')
    run.prepare(settings_of('greedy', 0, 250, space, None))
    run.prepare(settings_of('greedy', 0, 250, space, None))
    with pytest.raises(ValueError, match='another folder'):
        run.prepare(settings_of('greedy', 0, 100, space, None))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_runs_are_made_resumed_and_told(flags, tmp_path, capfd):
    from paper_protocol import main
    from paper_protocol_figures import figures_of

    assert main([*flags, '--methods', 'fingerprint', 'greedy']) == 0
    told = capfd.readouterr().out
    directories = sorted((tmp_path / 'runs').glob('*-0/*/params.yaml'))
    found = {run.method: run for run in (figures_of(path.parent) for path in directories)}
    assert set(found) == {'fingerprint', 'greedy'}
    for run in found.values():
        assert len(run.values) == SIMULATED
        assert run.simulating > 0
        assert run.learning > 0
        assert run.wall > 0
    rows = [line.split('|')[1].strip() for line in told.splitlines() if line.startswith('|')][2:]
    assert rows == ['fingerprint', 'greedy', 'random']

    # As if the second run had been killed after its last result: it has no summary, and goes on from its ledger.
    ended = directories[1].with_name('summary.json')
    values = found['greedy'].values
    ended.unlink()
    assert main([*flags, '--methods', 'fingerprint', 'greedy']) == 0
    told = capfd.readouterr().out
    assert 'greedy, seed 0: resumed' in told
    assert 'fingerprint, seed 0' not in told
    assert figures_of(ended.parent).values == values
    assert json.loads(ended.read_text())['resumed'] == 1


@pytest.mark.slow
def test_a_run_that_cannot_begin_ends_the_script(flags, tmp_path, capfd):
    from paper_protocol import main

    wrong = [*flags, '--search-space', str(tmp_path / 'nothing.smi'), '--methods', 'greedy']
    assert main(wrong) == 2
    assert 'nothing.smi' in capfd.readouterr().err
