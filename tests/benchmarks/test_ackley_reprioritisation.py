import json

import pytest
import yaml

pytestmark = pytest.mark.slow


def test_a_small_campaign_goes_through_the_whole_benchmark(tmp_path, capsys):
    from ackley_reprioritisation import main

    config, figures = tmp_path / 'small.yaml', tmp_path / 'figures.json'
    small = {
        'ackley': {'points': 60, 'delay_scale': 0.0},
        'search_size': 60,
        'retrain_frequency': 20,
        'num_qc_workers': 2,
        'policy': {'slots': {'reserve': 0}, 'slot_moves': []},
    }
    config.write_text(yaml.safe_dump(small))
    status = main(['--seeds', '5', '--config', str(config), '--json', str(figures), '--keep', str(tmp_path / 'runs')])
    (result,) = json.loads(figures.read_text())
    assert status == 0
    assert (result['seed'], result['points']) == (5, 60)
    assert 1 <= result['steered'] <= 60
    assert 1 <= result['first_come'] <= 60
    out = capsys.readouterr().out
    assert 'median' in out
    assert 'kept' in out
    assert list((tmp_path / 'runs').glob('seed-5/ackley-*/summary.json'))


def test_a_run_that_fails_ends_the_benchmark_with_what_it_said(tmp_path, capsys):
    from ackley_reprioritisation import main

    config = tmp_path / 'wrong.yaml'
    config.write_text('no_such_setting: 1\n')
    assert main(['--seeds', '0', '--config', str(config)]) == 2
    assert 'no_such_setting' in capsys.readouterr().err
