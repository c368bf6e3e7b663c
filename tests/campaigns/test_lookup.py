"""The closed space: a simulation uncovers a value that was known all along."""

import numpy as np
import pytest

from scoutbee import data
from scoutbee.campaigns.lookup import look_up
from scoutbee.campaigns.options import LearningOptions, LookupOptions
from scoutbee.campaigns.registry import make_campaign
from scoutbee.contracts.errors import ConfigurationError, InputTaskError, ResourceTaskError
from scoutbee.contracts.policy import Policy
from scoutbee.testing.inline import run_inline

TABLE = 'smiles,y\nC,1\nCC,5\nCCC,3\nC1CC,9\nCCCC,4\nCCCCC,2\nO,\n'


@pytest.fixture
def make(tmp_path):
    (tmp_path / 'table.csv').write_text(TABLE)

    def make(report=lambda sentence: None, **options):
        learning = LearningOptions(surrogate='fingerprint', model_count=1, **options.pop('learning', {}))
        options = {'table': tmp_path / 'table.csv', 'value_column': 'y', 'top': 2, 'known': 0, **options}
        return make_campaign('lookup', LookupOptions(learning=learning, **options), tmp_path / 'cache', report)

    return make


def test_found_is_what_belongs_to_the_top(make):
    campaign = make()
    assert campaign.top_rows.tolist() == [1, 4]
    assert campaign.objective.threshold == 4
    smallest = make(maximize=False, top=99)
    assert smallest.top_rows.tolist() == [0, 5, 2, 4, 1]
    assert smallest.objective.threshold == 5


def test_candidates_are_looked_up_and_read(make):
    campaign = make()
    values = {c.key: campaign.read(c, campaign.tasks()['simulate'](*c.args)).value for c in campaign.seeds()}
    assert values == {'C': 1, 'CC': 5, 'CCC': 3, 'CCCC': 4, 'CCCCC': 2}


def test_known_at_the_start_are_drawn_by_the_seed(make):
    drawn = [tuple(make(known=3, learning={'seed': seed}).space.known_rows) for seed in range(8)]
    assert len(set(drawn)) > 1
    assert drawn[5] == tuple(make(known=3, learning={'seed': 5}).space.known_rows)
    campaign = make(known=3)
    assert campaign.reference_values.tolist() == [{0: 1, 1: 5, 2: 3, 4: 4, 5: 2}[r] for r in campaign.space.known_rows]
    with pytest.raises(ConfigurationError):
        make(known=5)


def test_what_cannot_be_used_is_told(make):
    told = []
    make(told.append)
    assert '5 molecules' in told[0]
    assert '2 lines' in told[1]


def test_a_lookup_that_cannot_be_done_is_refused(make, tmp_path):
    table = str(tmp_path / 'table.csv')
    with pytest.raises(InputTaskError, match='CN'):
        look_up('CN', table, 'y')
    with pytest.raises(ResourceTaskError, match='gone'):
        look_up('C', str(tmp_path / 'gone.csv'), 'y')


@pytest.mark.slow
def test_steering_finds_more_of_the_top_than_chance(tmp_path):
    options = LookupOptions(
        table=data.path('moses-ip-gfn2.csv'),
        learning=LearningOptions(surrogate='fingerprint', model_count=3, seed=1),
    )
    campaign = make_campaign('lookup', options, tmp_path / 'cache')
    policy = Policy(search_size=100, buffer_size=8, retrain_frequency=25)
    run = run_inline(campaign, policy, tmp_path / 'run', timeout=240)
    assert run.outcome.status == 'completed'
    found = sum(campaign.objective.is_found(o.value) for o in run.thinker.board.snapshot().observations)
    left = np.setdiff1d(campaign.top_rows, campaign.space.known_rows).size
    assert found > 2 * left * 100 / 900
