import shlex
import sys

import pytest
import yaml

COMMAND = ['--command', f'{shlex.quote(sys.executable)} run.py']

pytestmark = pytest.mark.slow


def test_a_small_campaign_is_started_twice_and_timed(tmp_path, capsys):
    from startup import main

    config = tmp_path / 'small.yaml'
    small = {
        'ackley': {'points': 60, 'delay_scale': 0.0},
        'search_size': 60,
        'num_qc_workers': 1,
        'policy': {'slots': {'reserve': 0}, 'slot_moves': []},
    }
    config.write_text(yaml.safe_dump(small))
    flags = ['--campaign', 'ackley', '--engine', 'local', '--config', str(config)]
    assert main([*COMMAND, '--repeats', '1', '--', *flags]) == 0
    out = capsys.readouterr().out
    for stage in ('driver: imports', 'task server takes tasks', 'first simulation runs', 'CPU seconds by then'):
        assert out.count(stage) == 2


def test_a_run_that_does_not_start_is_told(tmp_path):
    from startup import main

    with pytest.raises(RuntimeError, match=r'(?s)No simulation came back.*none-of-these'):
        main([*COMMAND, '--repeats', '1', '--', '--campaign', 'none-of-these'])
