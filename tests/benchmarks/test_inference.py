"""Inference and training side by side: what runs without Chemprop, at a tiny size."""

from __future__ import annotations

import sys

import numpy as np
import pytest

SMILES = ['C', 'CCO', 'c1ccccc1', 'CC(=O)NC', 'CS(C)(=O)=O', 'C1CC1Cl', 'OCCN', 'CC#N', 'COC', 'CCCC']


@pytest.fixture
def molecules(tmp_path):
    path = tmp_path / 'molecules.txt'
    path.write_text('\n'.join(SMILES))
    return str(path)


def ask(benchmarks, script, file, **request):
    from contenders import Contender
    from inference import thread_settings

    command = [sys.executable, '-W', 'ignore', str(benchmarks / script), file, '8', '2']
    with Contender(command, thread_settings(1)) as contender:
        return contender.ask(**request)


def test_a_contender_answers_and_its_other_output_is_not_an_answer(benchmarks, tmp_path):
    from contenders import Contender

    script = tmp_path / 'script.py'
    script.write_text(
        'from contenders import serve\n'
        'def answer(request):\n'
        '    print("noise")\n'
        '    return {"twice": 2 * request["number"]}\n'
        'serve(answer)\n'
    )
    with Contender([sys.executable, str(script)], {'PYTHONPATH': str(benchmarks)}) as contender:
        assert [contender.ask(number=number)['twice'] for number in (1, 4)] == [2, 8]


def test_a_contender_that_ended_is_an_error(benchmarks):
    from contenders import Contender

    with Contender([sys.executable, '-c', 'input()'], {}) as contender, pytest.raises(RuntimeError, match='ended'):
        contender.ask(number=1)


@pytest.mark.slow
def test_scoutbee_predicts_and_tells_its_limit(benchmarks, molecules):
    for source in ('features', 'smiles'):
        answer = ask(benchmarks, 'inference_scoutbee.py', molecules, source=source, models=2, molecules=10)
        assert answer['seconds'] > 0
    limit = ask(benchmarks, 'inference_scoutbee.py', molecules, source='limit', models=1, molecules=10)
    assert 0 < limit['flop_shared'] < limit['flop']
    assert 0 < limit['shared'] < 1


@pytest.mark.slow
@pytest.mark.parametrize('script', ['training_scoutbee.py', 'training_padded.py'])
def test_each_program_trains(benchmarks, molecules, script):
    answer = ask(
        benchmarks, script, molecules, molecules=8, held_out=2, batch=4, epochs=1, members=2, threads=2
    )  # fmt: skip
    assert answer['seconds'] > 0


@pytest.mark.slow
def test_the_padded_network_predicts_the_same():
    from padded_keras import PaddedMolecules, network

    from scoutbee.models.graph_featurizer import GraphFeaturizer
    from scoutbee.models.mpnn_inference import predict_scaled
    from scoutbee.models.mpnn_weights import initial_weights

    weights = initial_weights(16, 2, np.random.default_rng(0))
    weights['output_kernel'] = np.ones((16, 1), dtype=np.float32)
    graphs = GraphFeaturizer(processes=1).featurize(SMILES)
    padded = network(16, 2, weights).predict(PaddedMolecules(graphs).batches(4), verbose=0)
    assert np.allclose(padded[:, 0], predict_scaled([weights], 2, graphs)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_starts_are_compared_by_error(capsys):
    import warm_start

    assert warm_start.main(['--seeds', '0', '--sizes', '20', '24', '--epochs', '1']) == 0
    shown = capsys.readouterr().out
    assert all(f'seed 0, 24, {way}: RMSE' in shown for way in warm_start.WAYS)
    assert 'warm / scratch: median ratio' in shown
