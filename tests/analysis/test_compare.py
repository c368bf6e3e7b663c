from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from scoutbee.analysis import Run
from scoutbee.analysis.compare import compare, curves, replicates, settings_of
from scoutbee.traces.records import SimulationRecord
from scoutbee.traces.writer import TraceWriter


def run_of(folder: Path, values: list[float], **params: object) -> Run:
    folder.mkdir()
    with TraceWriter(folder) as writer:
        for number, value in enumerate(values):
            writer.write(SimulationRecord(
                time=36.0 * number, task_id='s', method='m', success=True, spans={}, key=str(number), args=[],
                timestamps={'compute_started': 36.0 * number - 9, 'compute_ended': 36.0 * number}, worker='w',
                outcome='observed', value=value,
            ))  # fmt: skip
    (folder / 'params.yaml').write_text(yaml.safe_dump({'campaign': 'ackley', **params}))
    return Run(folder)


def test_runs_stand_side_by_side_and_replicates_together(tmp_path: Path):
    runs = [
        run_of(tmp_path / 'a', [1.0, 4.0, 2.0], seed=1, beta=1.0, runs_dir='x'),
        run_of(tmp_path / 'b', [3.0, 2.0], seed=2, beta=1.0, runs_dir='y'),
        run_of(tmp_path / 'c', [9.0], seed=1, beta=2.0),
    ]
    table = compare(runs)
    assert table['run'].tolist() == ['a', 'b', 'c']
    assert table['settings'].nunique() == 2
    assert settings_of(runs[0]) == settings_of(runs[1])
    assert table['best'].tolist() == [4.0, 3.0, 9.0]
    assert table['simulations'].tolist() == [3, 2, 1]
    assert table['hours'].tolist() == pytest.approx([0.02, 0.01, 0.0])
    assert table['utilization'].iloc[0] == pytest.approx(18 / 72), 'the first task ran before the driver wrote anything'
    means = replicates(table).set_index(['settings', 'quantity'])
    mine = means.loc[(settings_of(runs[0]), 'best')]
    # Two values half a unit from their mean: 12.706 is Student's t for 97.5 % and one degree of freedom.
    half = 12.706 * np.sqrt(0.5) / np.sqrt(2)
    assert mine.tolist() == pytest.approx([2, 3.5, 3.5 - half, 3.5 + half], rel=1e-4)
    alone = means.loc[(settings_of(runs[2]), 'best')]
    assert (alone['count'], alone['mean']) == (1, 9.0)
    assert np.isnan(alone['low'])


def test_runs_without_settings_are_no_replicates(tmp_path: Path):
    runs = [run_of(tmp_path / name, [1.0]) for name in 'ab']
    for run in runs:
        (run.path / 'params.yaml').unlink()
    assert compare([Run(run.path) for run in runs])['settings'].tolist() == ['a', 'b']


def test_curves_of_replicates(tmp_path: Path):
    runs = [run_of(tmp_path / 'a', [1.0, 4.0, 2.0]), run_of(tmp_path / 'b', [3.0, 2.0])]
    made = curves(runs)
    assert made[['simulations', 'runs', 'best']].to_numpy().tolist() == [[1, 2, 2.0], [2, 2, 3.5], [3, 1, 4.0]]
    assert (made['best_low'].iloc[:2] < made['best'].iloc[:2]).all()
    assert pd.isna(made['best_low'].iloc[2])


def test_a_run_that_has_only_begun(tmp_path: Path):
    (row,) = compare([Run(tmp_path)]).to_dict('records')
    assert row['simulations'] == 0
    assert pd.isna(row['best'])
    assert len(curves([Run(tmp_path)])) == 0
