"""Workers that cannot get at what their tasks are lent: one is passed over, all of them end the campaign."""

import time

import numpy as np
import pytest

from scoutbee.agents.inference_launcher import InferenceLauncher
from scoutbee.agents.inference_receiver import InferenceReceiver
from scoutbee.agents.inquiries import Inquiries
from scoutbee.agents.learning import Update
from scoutbee.agents.simulation_launcher import SimulationLauncher
from scoutbee.agents.simulation_receiver import SimulationReceiver
from scoutbee.agents.trainer import Trainer
from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.learning import ModelVersion, TrainedModel
from scoutbee.testing.campaign import fit

MESSAGE = "Inputs of topic 'infer' could not be fetched on host gpu1 from the backend redis (10.0.0.1:6379)."
UNREACHABLE = {'kind': 'unreachable', 'error': 'InputsUnreachableError', 'message': MESSAGE}
CHANCE = {'kind': 'random', 'error': 'ValueError', 'message': 'bad luck'}
LOST = {'kind': 'lost', 'error': 'WorkerLost', 'message': 'the worker died'}


@pytest.fixture
def simulate(make_context, answer):
    """Sends simulations one by one, each of which comes back as told; returns the outcome of the campaign."""
    context = make_context(simulation_retries=2)
    context.board.buffer.replace(Candidate(f'x{i}', (i / 10,), i) for i in range(9))
    launcher, receiver = SimulationLauncher(context), SimulationReceiver(context)

    def run(*failures):
        for failure in failures:
            launcher.step()
            answer(context, {'height': 0.5}, failure)
            receiver.step()
        return context.board.outcome

    return run


def test_simulations_that_reach_nothing_one_after_the_other_end_the_campaign_with_the_reason(simulate):
    assert simulate(UNREACHABLE, UNREACHABLE) is None
    outcome = simulate(UNREACHABLE)
    assert outcome.status == 'failed'
    assert outcome.reason == (
        f'3 tasks of simulate in a row failed alike: {MESSAGE} Mend the way there, or choose a backend that their '
        'workers reach (--simulate-ps-backend), and resume.'
    )


def test_one_that_comes_through_shows_that_it_can_be_reached(simulate):
    assert simulate(UNREACHABLE, UNREACHABLE, None, UNREACHABLE, UNREACHABLE) is None


def test_what_never_ran_or_failed_of_itself_says_nothing_of_it(simulate):
    assert simulate(UNREACHABLE, LOST, UNREACHABLE, CHANCE) is None
    assert simulate(UNREACHABLE).status == 'failed'


def test_trainings_that_reach_nothing_end_the_campaign(make_context, answer):
    context = make_context(learning_retries=1)
    context.board.learning.training_wanted = 'begin'
    trainer = Trainer(context)
    for _ in range(2):
        trainer.step()
        trainer.step()
        answer(context, failure=UNREACHABLE)
        trainer.step()
    assert '--train-ps-backend' in context.board.outcome.reason


def test_inferences_that_reach_nothing_end_the_campaign_long_before_each_has_been_tried_in_vain(make_context, answer):
    context = make_context(learning_retries=1, slots={'infer': 1})
    learning = context.board.learning
    learning.generation = 1
    learning.begin(Update(1, frozenset({0, 1}), time.time()))
    x = np.linspace(0, 1, 9)
    for member in (0, 1):
        learning.accept(TrainedModel(ModelVersion(1, member), fit((x, x), member)))
    inquiries = Inquiries(context.policy.learning_lease, context.policy.losses)
    launcher, receiver = InferenceLauncher(context, inquiries), InferenceReceiver(context, inquiries)
    for _ in range(2):
        assert context.board.outcome is None
        launcher.step()
        answer(context, failure=UNREACHABLE)
        receiver.step()
    assert context.board.outcome.status == 'failed'
    assert MESSAGE in context.board.outcome.reason
