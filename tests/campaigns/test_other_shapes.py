"""Campaigns of other shapes keep the same protocol: sketches of the three that come later, through the real Thinker."""

import numpy as np
import pytest

from scoutbee.contracts.campaign import Ranking
from scoutbee.contracts.candidates import Candidate, Choice, Objective, Observation
from scoutbee.contracts.learning import Chunk, ModelArtifact, TrainingRequest, TrainingRound
from scoutbee.contracts.policy import Policy
from scoutbee.testing.inline import run_inline


class Sketch:
    """What the three have in common: one model, one question, no value to look for."""

    objective = Objective('progress', '')

    def __init__(self):
        self.told = []

    def seeds(self):
        return iter(())

    def initial_models(self):
        return ()

    def read(self, candidate, output):
        return Observation(candidate, None, dict(output))

    def follow_ups(self, observation):
        self.told.append(observation)
        return ()

    def goal(self):
        return None

    def training_round(self, snapshot):
        return None

    def chunks(self):
        return (Chunk(0, np.zeros(1), 1),)

    def rank(self, predictions, snapshot, number):
        return Ranking(iter(()))


def walk(start, seed, steps):
    """A trajectory: a random walk on ten states."""
    rng = np.random.default_rng((start, seed))
    states = [start]
    for step in rng.choice([-1, 1], steps):
        states.append(int(min(max(states[-1] + step, 0), 9)))
    return {'states': states}


def count_transitions(trajectories):
    counts = np.zeros((10, 10))
    for states in trajectories:
        np.add.at(counts, (states[:-1], states[1:]), 1)
    return ModelArtifact('msm', {'states': 10}, {'counts': counts})


def visits(artifacts, question):
    return np.stack([artifact.arrays['counts'].sum(axis=1) for artifact in artifacts])


class MarkovStates(Sketch):
    """Start states drawn from a model; a state may be started from again, with another seed."""

    name = 'msm'

    def tasks(self):
        return {'simulate': walk, 'train': count_transitions, 'infer': visits}

    def seeds(self):
        return (Candidate(f'r0-{i}', (0, i, 5)) for i in range(4))

    def training_round(self, snapshot):
        trajectories = [observation.record['states'] for observation in snapshot.observations]
        return TrainingRound(trajectories, len(trajectories), [TrainingRequest(0)]) if trajectories else None

    def rank(self, predictions, snapshot, number):
        counts = predictions.arrays[0][0]
        seen = np.flatnonzero(counts)
        weights = 1 / counts[seen]
        drawn = np.random.default_rng(number).choice(seen, 1000, p=weights / weights.sum())
        candidates = (
            Candidate(f'r{number}-{i}', (int(state), 1000 * number + i, 5), choice=Choice(number))
            for i, state in enumerate(drawn)
        )
        return Ranking(candidates, len(seen))


def test_markov_states_start_from_what_a_model_draws_more_than_once(tmp_path):
    campaign = MarkovStates()
    run = run_inline(campaign, Policy(search_size=60, retrain_frequency=4, buffer_size=4), tmp_path)
    assert run.outcome.status == 'completed'
    drawn = [o.candidate for o in campaign.told if o.candidate.choice.ranking > 0]
    starts = [candidate.args[0] for candidate in drawn]
    assert max(starts) > 3  # Reached only by starting from where others have ended.
    assert len(set(starts)) < len(starts) == len({candidate.key for candidate in drawn})


def segment(replica, number, position):
    """Local sampling at one temperature, from where the last segment ended."""
    return {'replica': replica, 'number': number, 'end': position + 1}


class Replicas(Sketch):
    """Every replica goes on from its own last segment, without waiting for a ranking."""

    name = 'replica_exchange'

    def __init__(self, replicas, segments):
        super().__init__()
        self.replicas, self.segments = replicas, segments

    def tasks(self):
        return {'simulate': segment, 'train': segment, 'infer': segment}

    def seeds(self):
        return (self._candidate(replica, 0, 0) for replica in range(self.replicas))

    def follow_ups(self, observation):
        super().follow_ups(observation)
        record = observation.record
        if record['number'] + 1 == self.segments:
            return ()
        return (self._candidate(record['replica'], record['number'] + 1, record['end']),)

    def goal(self):
        done = len(self.told) == self.replicas * self.segments
        return 'All segments are sampled.' if done else None

    def _candidate(self, replica, number, position):
        return Candidate(f't{replica}-{number}', (replica, number, position))


def test_replicas_go_on_from_their_last_segment(tmp_path):
    campaign = Replicas(replicas=3, segments=7)
    run = run_inline(campaign, Policy(search_size=1000), tmp_path)
    assert (run.outcome.status, run.outcome.reason) == ('completed', 'All segments are sampled.')
    for replica in range(3):
        ends = [o.record['end'] for o in campaign.told if o.record['replica'] == replica]
        assert ends == list(range(1, 8))


def bound(low, high):
    """Largest error over a tile of a convex function."""
    return {'low': low, 'high': high, 'error': (high - low) ** 2}


class Tiles(Sketch):
    """A tile whose bound is too loose is split, until all that are left are tight."""

    name = 'adagrid'

    def __init__(self, tolerance):
        super().__init__()
        self.tolerance = tolerance
        self.open = {'0-1'}

    def tasks(self):
        return {'simulate': bound, 'train': bound, 'infer': bound}

    def seeds(self):
        yield Candidate('0-1', (0.0, 1.0))

    def read(self, candidate, output):
        return Observation(candidate, output['error'], dict(output))

    def follow_ups(self, observation):
        super().follow_ups(observation)
        self.open.discard(observation.candidate.key)
        if observation.value <= self.tolerance:
            return ()
        low, high = observation.candidate.args
        middle = (low + high) / 2
        halves = [Candidate(f'{a:g}-{b:g}', (a, b)) for a, b in ((low, middle), (middle, high))]
        self.open.update(half.key for half in halves)
        return halves

    def goal(self):
        return None if self.open else 'Every tile is tight.'


@pytest.mark.parametrize(('tolerance', 'tiles'), [(2.0, 1), (0.3, 3), (0.004, 31)])
def test_tiles_are_refined_until_they_are_tight(tmp_path, tolerance, tiles):
    campaign = Tiles(tolerance)
    run = run_inline(campaign, Policy(search_size=1000), tmp_path)
    assert run.outcome.reason == 'Every tile is tight.'
    assert len(campaign.told) == tiles
    tight = sorted(o.candidate.args for o in campaign.told if o.value <= tolerance)
    assert [low for low, _ in tight] == [0.0, *(high for _, high in tight[:-1])]
    assert tight[-1][1] == 1.0
