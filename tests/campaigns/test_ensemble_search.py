"""What campaigns over a fixed search space share, shown on points of a line."""

import itertools
from functools import partial

import numpy as np
import pytest

from scoutbee.campaigns import ensemble_search
from scoutbee.campaigns.ensemble_search import EnsembleSearch
from scoutbee.campaigns.options import LearningOptions
from scoutbee.campaigns.search_space import SearchSpace
from scoutbee.contracts.campaign import Snapshot
from scoutbee.contracts.candidates import Choice, Objective
from scoutbee.contracts.errors import ConfigurationError, TaskError
from scoutbee.contracts.learning import ModelArtifact, ModelVersion, Predictions, TrainedModel
from scoutbee.models.vectors import Vectors


def square(x):
    return {'y': x * x}


class Squares(EnsembleSearch):
    name = 'squares'
    value_field = 'y'

    def __init__(self, x, maximize=True, threshold=None, known=(), unusable=(), models=(), **learning):
        self.x = np.asarray(x, dtype=float)
        objective = Objective('square', 'm²', maximize=maximize, threshold=threshold)
        known = np.array(known, dtype=np.int64)
        space = SearchSpace(
            Vectors(self.x[:, np.newaxis]), len(x), known, self.x[known] ** 2, np.array(unusable, dtype=np.int64)
        )
        super().__init__(space, objective, LearningOptions(surrogate='gaussian_process', **learning), models)

    def key(self, row):
        return f'x{row}'

    def args(self, row):
        return (float(self.x[row]),)

    def simulate(self):
        return partial(square)


def predictions(*rows, generation=1):
    arrays = tuple((np.array(row[:2], dtype=np.float32), np.array(row[2:], dtype=np.float32)) for row in rows)
    return Predictions(tuple(ModelVersion(generation, i) for i in range(len(rows))), arrays)


def observe(campaign, *rows):
    candidates = {c.row: c for c in campaign.rank(flat(campaign), Snapshot(), 99).candidates}
    return [campaign.read(candidates[row], campaign.tasks()['simulate'](*candidates[row].args)) for row in rows]


def flat(campaign):
    return Predictions((ModelVersion(1, 0),), ((np.zeros(campaign.space.size, dtype=np.float32),),))


def rows(ranking):
    return [candidate.row for candidate in ranking.candidates]


def test_best_predicted_comes_first_and_says_why():
    campaign = Squares([0, 1, 2, 3], acquisition='ucb', beta=2.0)
    ranking = campaign.rank(predictions([1, 5, 3, 0], [1, 3, 5, 0]), Snapshot(), 7)
    first, *others = ranking.candidates
    assert [first.row, *(c.row for c in others)] == [1, 2, 0, 3]
    assert (first.key, first.args) == ('x1', (1.0,))
    assert (first.choice.ranking, first.choice.generation) == (7, 1)
    assert (first.choice.mean, first.choice.std, first.choice.score) == (4.0, 1.0, 6.0)
    assert ranking.scored == 4
    assert not ranking.warnings


def test_smallest_comes_first_where_less_is_better():
    campaign = Squares([0, 1, 2, 3], maximize=False, acquisition='ucb')
    ranking = campaign.rank(predictions([4, 1, 2, 3], [4, 1, 4, 3]), Snapshot(), 1)
    first = next(ranking.candidates)
    assert (first.row, first.choice.mean, first.choice.score) == (1, 1.0, -1.0)
    assert rows(ranking)[0] == 2  # Mean and deviation: -3 + 1, above -3.


def test_what_is_taken_known_or_unusable_is_not_ranked_again():
    campaign = Squares(range(6), known=[0], unusable=[5], acquisition='greedy')
    matrix = Predictions((ModelVersion(1, 0),), ((np.array([9, 1, 2, 3, 4, 9], dtype=np.float32),),))
    assert rows(campaign.rank(matrix, Snapshot(taken_rows=np.array([4])), 1)) == [3, 2, 1]


def test_a_ranking_costs_only_its_top():
    size = 200_000
    campaign = Squares(np.arange(size), acquisition='greedy')
    values = np.random.default_rng(0).random(size).astype(np.float32)
    ranking = campaign.rank(Predictions((ModelVersion(1, 0),), ((values,),)), Snapshot(), 1)
    top = [c.row for c in itertools.islice(ranking.candidates, 5)]
    assert top == np.argsort(-values)[:5].tolist()


def test_constant_predictions_are_told():
    campaign = Squares(range(4))
    ranking = campaign.rank(predictions([1, 2, 3, 4], [5, 5, 5, 5]), Snapshot(), 1)
    assert len(ranking.warnings) == 1
    assert 'g1m1' in ranking.warnings[0]
    assert 'same value (5)' in ranking.warnings[0]


@pytest.mark.parametrize('acquisition', ['random', 'thompson'])
def test_what_is_random_depends_on_seed_and_number_alone(acquisition):
    def order(seed, number):
        campaign = Squares(range(40), acquisition=acquisition, seed=seed)
        values = np.random.default_rng(1).random((9, 40)).astype(np.float32)
        matrix = Predictions(tuple(ModelVersion(1, i) for i in range(9)), tuple((row,) for row in values))
        return tuple(rows(campaign.rank(matrix, Snapshot(), number)))

    assert order(3, 2) == order(3, 2)
    assert len({order(3, number) for number in range(8)}) > 1
    assert len({order(seed, 2) for seed in range(8)}) > 1


def test_improvement_is_on_the_best_known_or_observed():
    campaign = Squares([1, 2, 3, 4], maximize=False, known=[3], acquisition='expected_improvement')
    matrix = predictions([9, 2, 4, 0], [9, 4, 6, 0])
    unknown = next(campaign.rank(matrix, Snapshot(), 1).candidates).choice.score
    observed = Snapshot(observations=observe(campaign, 0))  # 1, far below 16
    assert next(campaign.rank(matrix, observed, 1).candidates).choice.score < unknown


def test_seeds_are_all_candidates_in_an_order_of_the_seed():
    order = [c.row for c in Squares(range(50), seed=1, unusable=[7]).seeds()]
    assert sorted(order) == [row for row in range(50) if row != 7]
    assert order != sorted(order)
    assert order == [c.row for c in Squares(range(50), seed=1, unusable=[7]).seeds()]
    assert order != [c.row for c in Squares(range(50), seed=2, unusable=[7]).seeds()]
    assert all(c.choice.ranking == 0 for c in Squares(range(5)).seeds())


def test_no_seeds_where_there_is_something_to_learn_from_and_no_opening():
    model = ModelArtifact('gaussian_process', {}, {})
    assert not list(Squares(range(20), known=range(8)).seeds())
    assert not list(Squares(range(20), models=[model]).seeds())
    assert list(Squares(range(20), known=range(7)).seeds())
    assert Squares(range(20), models=[model]).initial_models() == (model,)


class Echo:
    """A surrogate whose opening predicts the point itself, if it can learn at all."""

    def __init__(self, settings):
        self.settings = settings

    def opening(self, data, features):
        if self.settings.get('fault'):
            raise TaskError('It comes to nothing.')
        return features.points[:, 0].astype(np.float32)


@pytest.fixture
def echo(monkeypatch):
    monkeypatch.setattr(ensemble_search, 'make_surrogate', lambda name, settings: Echo(settings))


@pytest.mark.usefixtures('echo')
class TestOpening:
    def test_it_orders_what_is_neither_known_nor_unusable(self):
        campaign = Squares(range(12), known=range(8), unusable=[10], acquisition='ucb')
        assert [c.row for c in campaign.seeds()] == [11, 9, 8]
        first = next(campaign.seeds())
        assert first.choice == Choice(0, score=11.0, mean=11.0)
        assert (first.key, first.args) == ('x11', (11.0,))

    def test_smallest_comes_first_where_less_is_better(self):
        campaign = Squares(range(12), known=range(2, 11), maximize=False, acquisition='greedy')
        assert [(c.row, c.choice.mean) for c in campaign.seeds()] == [(0, 0.0), (1, 1.0), (11, 11.0)]

    def test_it_is_used_beside_an_ensemble_that_comes_with_the_campaign(self):
        campaign = Squares(range(12), known=range(10), models=[ModelArtifact('gaussian_process', {}, {})])
        assert [c.row for c in campaign.seeds()] == [11, 10]

    @pytest.mark.parametrize('acquisition', ['ucb', 'greedy', 'expected_improvement', 'thompson'])
    def test_every_acquisition_that_steers_takes_the_best(self, acquisition):
        campaign = Squares(range(40), known=range(8), acquisition=acquisition)
        assert [c.row for c in campaign.seeds()] == list(range(39, 7, -1))

    def test_random_acquisition_stays_random(self):
        orders = [
            [c.row for c in Squares(range(40), known=range(8), acquisition='random', seed=s).seeds()] for s in (1, 2, 1)
        ]
        assert orders[0] == orders[2] != orders[1]
        assert orders[0] != sorted(orders[0], reverse=True)

    def test_one_that_fails_is_done_without(self):
        assert not list(Squares(range(20), known=range(8), surrogate_settings={'fault': True}).seeds())


@pytest.mark.parametrize('output', [{}, {'y': None}, {'y': float('nan')}, {'y': float('inf')}, {'y': '3'}, {'y': True}])
def test_an_output_without_a_finite_value_is_refused(output):
    campaign = Squares(range(3))
    candidate = next(campaign.seeds())
    with pytest.raises(TaskError, match=f'finite number as y of {candidate.key}'):
        campaign.read(candidate, output)


def test_enough_found_is_the_goal():
    campaign = Squares(range(5), threshold=9, enough_found=2)
    for observation, goal in zip(observe(campaign, 1, 3, 4), [False, False, True], strict=True):
        assert campaign.follow_ups(observation) == ()
        assert (campaign.goal() is not None) is goal
    assert '2 candidates reached 9 m²' in campaign.goal()
    assert Squares(range(5)).goal() is None


def test_training_takes_what_is_known_and_what_was_observed():
    campaign = Squares(
        range(6), known=[5], minimum_observations=3, model_count=2, seed=4, surrogate_settings={'restarts': 0}
    )
    observations = observe(campaign, 3, 1)
    assert campaign.training_round(Snapshot(observations=observations[:1])) is None
    plan = campaign.training_round(Snapshot(observations=observations))
    assert plan.size == 3
    assert plan.data.features.points[:, 0].tolist() == [5, 3, 1]
    assert plan.data.values.tolist() == [25, 9, 1]
    assert [request.args for request in plan.requests] == [
        ('gaussian_process', {'restarts': 0}, member, 4, None) for member in range(2)
    ]


def test_training_starts_from_the_last_models_where_asked():
    last = ModelArtifact('gaussian_process', {}, {})
    models = {1: TrainedModel(ModelVersion(3, 1), last)}
    for warm, expected in ((True, [None, last]), (False, [None, None])):
        campaign = Squares(range(9), known=range(8), model_count=2, warm_start=warm)
        plan = campaign.training_round(Snapshot(models=models))
        assert [request.args[-1] for request in plan.requests] == expected


def test_chunks_cover_the_space_once_and_stay_the_same():
    campaign = Squares(range(10), candidates_per_task=4)
    chunks = campaign.chunks()
    assert [chunk.size for chunk in chunks] == [4, 4, 2]
    assert np.concatenate([chunk.data.points[:, 0] for chunk in chunks]).tolist() == list(range(10))
    assert all(a is b for a, b in zip(chunks, campaign.chunks(), strict=True))


def test_tasks_train_and_predict():
    campaign = Squares(np.linspace(-1, 1, 12), known=range(0, 12, 2), minimum_observations=2, model_count=1)
    tasks = campaign.tasks()
    plan = campaign.training_round(Snapshot())
    artifact = tasks['train'](plan.data, *plan.requests[0].args)
    predicted = np.concatenate([tasks['infer']([artifact], chunk.data)[0] for chunk in campaign.chunks()])
    assert np.abs(predicted - campaign.x**2).max() < 0.3


def test_a_space_with_nothing_left_is_refused():
    with pytest.raises(ConfigurationError, match=r'search_space: .* not known yet, got 3, of which 1 cannot be used'):
        Squares(range(3), known=[0, 1], unusable=[2])
    with pytest.raises(ValueError, match='does not fit'):
        SearchSpace(Vectors(np.zeros((2, 1))), 3)
    with pytest.raises(ConfigurationError, match='acquisition'):
        Squares(range(3), acquisition='guess')
