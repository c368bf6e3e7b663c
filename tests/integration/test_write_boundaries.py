"""The driver dies at every write of a small campaign, and the campaign goes on as if nothing had happened."""

from collections import Counter
from functools import partial

import pytest

from scoutbee.contracts.policy import Policy
from scoutbee.driver.shelf import RunShelf
from scoutbee.testing.campaign import HillCampaign, hill
from scoutbee.testing.dying import DEATH, Death, Errand, run_apart
from scoutbee.traces.reader import read
from scoutbee.traces.records import EventRecord, InferenceRecord, SelectionRecord, SimulationRecord, TrainingRecord
from scoutbee.traces.replay import replay

MEMBERS, CHUNKS, SIZE = 2, 2, 9

campaign = partial(HillCampaign, size=40, members=MEMBERS, chunk_size=20, known=4)
# Every run writes the same: nothing is launched while models are updated, and all are trained before any is asked.
policy = Policy(
    search_size=SIZE, buffer_size=5, retrain_frequency=4, slots={'simulate': 1}, pause_during_update='launch',
    share_learners=True,
)  # fmt: skip


def choices(run_dir):
    """All that the campaign decided: what it simulated, in which order and why, and every ranking."""
    events = [event for event in read(run_dir, EventRecord) if event.event == 'submitted']
    first = {event.facts['key']: (event.facts['args'], event.facts['choice']) for event in reversed(events)}
    order = list(dict.fromkeys(event.facts['key'] for event in events))
    rankings = [(s.ranking, s.models, s.observations, s.taken, s.top) for s in read(run_dir, SelectionRecord)]
    return [(key, *first[key]) for key in order], rankings


def assert_each_thing_is_computed_once(run_dir):
    observed = [r for r in read(run_dir, SimulationRecord) if r.outcome == 'observed']
    assert Counter(r.key for r in observed) == Counter(dict.fromkeys(replay(run_dir).taken_keys, 1))
    assert all(r.output == hill(*r.args) for r in observed)
    trained = Counter((r.generation, r.member) for r in read(run_dir, TrainingRecord) if r.success)
    answers = [r for r in read(run_dir, InferenceRecord) if r.success]
    asked = Counter((r.generation, member, r.chunk) for r in answers for member in r.members)
    assert set(trained.values()) == set(asked.values()) == {1}
    assert len(asked) == CHUNKS * len(trained)
    shelf, history = RunShelf(run_dir), replay(run_dir)
    for version, file in history.learning.trained.items():
        assert shelf.load(version, file).artifact.arrays['weights'].shape == (3,)
    newest = {str(version): len(chunks) for version, chunks in history.learning.predictions.items()}
    assert newest == dict.fromkeys(history.last_selection.models, CHUNKS)
    for chunks in history.learning.predictions.values():
        assert all(shelf.fetch(kept.file, kept.offset)[kept.row].shape == (20,) for kept in chunks.values())


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp('undisturbed') / 'run'
    (ending,) = run_apart([Errand(run_dir, campaign, policy)])
    assert ending.status == 0
    assert_each_thing_is_computed_once(run_dir)
    return choices(run_dir), ending.writes


def die_at(writes, undisturbed, tmp_path):
    """Die once at each of these writes, go on, and see that it makes no difference."""
    deaths = [Death(write, where) for write in writes for where in ('before', 'middle', 'after')]
    runs = {death: tmp_path / f'{death.write}-{death.where}' for death in deaths}
    died = run_apart([Errand(run_dir, campaign, policy, death) for death, run_dir in runs.items()])
    assert {ending.status for ending in died} == {DEATH}
    went_on = run_apart([Errand(run_dir, campaign, policy) for run_dir in runs.values()])
    assert [death for death, ending in zip(runs, went_on, strict=True) if ending.status != 0] == []
    for run_dir in runs.values():
        assert_each_thing_is_computed_once(run_dir)
        assert choices(run_dir) == undisturbed[0]
        assert len(replay(run_dir).observations) == SIZE


def test_a_driver_that_dies_at_some_of_its_writes_loses_and_repeats_nothing(undisturbed, tmp_path):
    writes = undisturbed[1]
    die_at(range(writes // 4, writes + 1, writes // 2), undisturbed, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_driver_that_dies_at_any_of_its_writes_loses_and_repeats_nothing(undisturbed, tmp_path):
    die_at(range(1, undisturbed[1] + 1), undisturbed, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_driver_that_dies_again_and_again_gets_there_all_the_same(undisturbed, tmp_path):
    """Each process does a few writes, two of them about being resumed, and dies."""
    run_dir, deaths = tmp_path / 'run', 0
    while run_apart([Errand(run_dir, campaign, policy, Death(5, 'middle'))])[0].status == DEATH:
        deaths += 1
    assert deaths > 10
    assert_each_thing_is_computed_once(run_dir)
    assert choices(run_dir) == undisturbed[0]
    assert replay(run_dir).resumed == deaths
