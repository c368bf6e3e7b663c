"""The benchmark of re-ranking: its account of a run's rounds, and the whole of it on a few molecules."""

import subprocess
import sys

import pytest

from scoutbee.traces.records import InferenceRecord, SelectionRecord, TrainingRecord
from scoutbee.traces.writer import TraceWriter


def task(method, running, **facts):
    common = {'task_id': 'x', 'method': method, 'success': True, 'timestamps': {}}
    return {**common, 'spans': {'running': running, 'deserialize_inputs': 0.25}, **facts}


def selection(models, when, seconds, started):
    counts = {'scored': 50, 'kept': 5, 'observations': 10, 'taken': 0}
    return SelectionRecord(ranking=1, models=models, time=when, seconds=seconds, started=started, **counts)


def test_the_parts_of_a_round_add_up(benchmarks, tmp_path):
    from rerank_rounds import read_rounds

    with TraceWriter(tmp_path) as traces:
        for member in (0, 1):
            traces.write(TrainingRecord(**task('train', 3.0, generation=1, member=member, observations=10)))
        traces.write(InferenceRecord(**task('infer', 2.0, generation=1, members=[0], chunk=0, rows=50)))
        traces.write(selection(['g1m0'], 1_006.0, 0.5, 1_000.0))
        traces.write(InferenceRecord(**task('infer', 2.0, generation=1, members=[1], chunk=0, rows=50)))
        traces.write(selection(['g1m0', 'g1m1'], 1_020.0, 0.5, 1_000.0))
        traces.write(selection(['g1m0', 'g1m1'], 1_030.0, 0.5, None))  # no round led to it
    (found,) = read_rounds(tmp_path)
    assert (found.generation, found.models, found.molecules) == (1, 2, 50)
    assert (found.first_seconds, found.last_seconds) == (6.0, 20.0)
    assert found.parts == {'training': 6.0, 'inference': 4.0, 'transport': 1.0, 'ranking': 1.0, 'waiting': 8.0}


@pytest.mark.slow
def test_it_prints_a_line_for_each_round(benchmarks, tmp_path):
    command = [sys.executable, str(benchmarks / 'rerank.py'), '--molecules', '100', '--models', '2', '--rounds', '1']
    command += ['--surrogate', 'fingerprint', '--runs-dir', str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '| 1     |            100 x 2 |' in done.stdout
