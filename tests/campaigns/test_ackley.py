"""The Ackley campaign: random points, the smallest first."""

import json
import pickle

import numpy as np
import pytest

from scoutbee.campaigns.options import AckleyOptions
from scoutbee.campaigns.registry import make_campaign
from scoutbee.contracts.policy import Policy
from scoutbee.simulation.ackley import ackley
from scoutbee.testing.inline import run_inline


def make(tmp_path, **options):
    learning = {'seed': 3, **options.pop('learning', {})}
    return make_campaign('ackley', AckleyOptions.model_validate({'learning': learning, **options}), tmp_path)


def test_points_lie_in_the_box_and_come_from_the_seed(tmp_path):
    campaign = make(tmp_path)
    assert campaign.points.shape == (750, 4)
    assert np.abs(campaign.points).max() <= 32.768
    assert np.abs(campaign.points).max() > 32
    np.testing.assert_array_equal(campaign.points, make(tmp_path).points)
    assert (campaign.points != make(tmp_path, learning={'seed': 4}).points).all()
    assert np.abs(make(tmp_path, bound=1, dimensions=2).points).max() <= 1


def test_learning_is_that_of_the_workflow_unless_told_otherwise():
    learning = AckleyOptions.model_validate({'learning': {'beta': 2.5}}).learning
    assert (learning.surrogate, learning.model_count, learning.acquisition, learning.beta) == (
        'gaussian_process',
        1,
        'greedy',
        2.5,
    )


def test_a_point_is_simulated_and_read(tmp_path):
    campaign = make(tmp_path, delay_scale=0)
    simulate = pickle.loads(pickle.dumps(campaign.tasks()['simulate']))
    candidate = next(campaign.seeds())
    arguments = json.loads(json.dumps(candidate.args))
    observation = campaign.read(candidate, simulate(*arguments))
    assert observation.value == ackley(campaign.points[candidate.row])
    assert candidate.key == f'point-{candidate.row}'
    assert simulate.keywords == {'delay_log_mean': 2.0, 'delay_log_std': 1.0, 'seed': 3, 'delay_scale': 0}


def test_the_best_point_comes_long_before_first_come_order_would_bring_it(tmp_path):
    campaign = make(tmp_path, points=120, dimensions=2, delay_scale=0)
    policy = Policy(search_size=120, buffer_size=120, retrain_frequency=20)
    run = run_inline(campaign, policy, tmp_path / 'run')
    assert run.outcome.status == 'completed'
    assert not run.depot.lent
    values = [observation.value for observation in run.thinker.board.snapshot().observations]
    assert sorted(values) == sorted(ackley(point) for point in campaign.points)
    # Not earlier than the first ranking by design; half way at the latest, or steering did nothing.
    assert int(np.argmin(values)) < 80


@pytest.mark.parametrize('bad', [{'points': 0}, {'bound': -1}, {'delay_scale': float('inf')}, {'surprise': 1}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        AckleyOptions.model_validate(bad)
