import threading

import pytest

from scoutbee.agents.board import Board
from scoutbee.agents.context import Context
from scoutbee.agents.slots import SlotMover, make_slots
from scoutbee.contracts.control import CANCEL
from scoutbee.contracts.policy import Policy
from scoutbee.testing.campaign import HillCampaign
from scoutbee.testing.depot import CountingDepot, MemoryShelf
from scoutbee.testing.queues import ThreadQueues
from scoutbee.traces.writer import TraceWriter


@pytest.fixture(autouse=True)
def patient_launcher(monkeypatch):
    """What a launcher sends together does not depend on how fast the machine is."""
    monkeypatch.setattr('scoutbee.agents.simulation_launcher._GATHER_SECONDS', 600.0)


@pytest.fixture
def make_context(tmp_path):
    """A context whose tasks nobody serves: the test plays the task server itself."""
    writers = []

    def make(campaign=None, **policy):
        campaign = campaign or HillCampaign()
        policy = Policy(**{'search_size': 10, 'buffer_size': 4, 'retrain_frequency': 4, **policy})
        traces = TraceWriter(tmp_path / f'run{len(writers)}')
        writers.append(traces)
        slots = make_slots(policy.slots, policy.prefetch)
        board = Board(policy, campaign.objective, len(campaign.chunks()), threading.Event())
        mover = SlotMover(policy, slots, traces, board.done)
        return Context(campaign, policy, ThreadQueues(), slots, mover, CountingDepot(), traces, MemoryShelf(), board)

    yield make
    for writer in writers:
        writer.close()


@pytest.fixture
def answer():
    return _answer


def _answer(context, value=None, failure=None):
    """Play the task server for one request; returns the request. Nothing can be called back any more.

    A failure may depend on the request; then it is a function of it, which returns the failure or None.
    """
    _, task = context.queues.get_task(timeout=1)
    while task.method == CANCEL:
        _, task = context.queues.get_task(timeout=1)
    task.deserialize()
    task.mark_compute_started()
    failure = failure(task) if callable(failure) else failure
    if failure is None:
        task.set_result(value(*task.args) if callable(value) else value, 0.01)
    else:
        task.success = False
        task.task_info['failure'] = failure
    task.mark_compute_ended()
    task.serialize()
    context.queues.send_result(task)
    return task
