"""Training side by side, at a tiny size, with a program in Chemprop's place that answers at once."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def chemprop(benchmarks, tmp_path):
    """What can be run like an interpreter that has Chemprop."""
    stub = tmp_path / 'stub.py'
    stub.write_text(
        f'import sys; sys.path.insert(0, {str(benchmarks)!r})\n'
        'from contenders import serve\n'
        'serve(lambda request: {"seconds": 2.0 * request["epochs"], "cpu_seconds": 3.0 * request["epochs"]})\n'
    )
    interpreter = tmp_path / 'python'
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stub}"\n')
    interpreter.chmod(0o755)
    return str(interpreter)


@pytest.mark.slow
def test_every_way_to_train_is_timed_for_each_model_beside_the_limit(chemprop, capsys):
    import training

    sizes = ['--molecules', '18', '--batch', '9', '--epochs', '1', '--repeats', '1', '--width', '8', '--steps', '2']
    assert training.main(['--chemprop-python', chemprop, *sizes]) == 0
    shown = capsys.readouterr().out
    for case in (training.ALONE, 'scoutbee, together in processes', 'scoutbee, together in threads', 'padded keras'):
        assert f'{case}: ' in shown
    assert 'chemprop: 2.000 s an epoch and model, 3.000 s of processor time' in shown
    assert 'GFLOP/s a core' in shown
