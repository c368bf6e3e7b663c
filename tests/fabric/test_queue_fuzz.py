"""Whatever lies on a queue: the reader drops what this campaign did not seal, counts it, loads none of it, goes on."""

import contextlib
import json
import os
import pickle

import pytest
from colmena.exceptions import TimeoutException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoutbee.fabric.messages import new_message, pack
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.seals import Seal

SLOW_FIXTURES = {'suppress_health_check': [HealthCheck.function_scoped_fixture], 'deadline': None}


class Bomb:
    """Leaves a file behind if it is ever unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def trap(tmp_path):
    return tmp_path / 'unpickled'


@pytest.fixture
def client(address):
    client = address.connect()
    yield client
    client.close()


def result_of(value, topic='simulate'):
    """A finished task as a task server would send it."""
    task = new_message('simulate', topic, (), {}, {})
    task.set_result(value, 0.1)
    task.serialize()
    return pack(task)


def push(queues, message, topic='simulate'):
    """Send some bytes as a result, sealed as ours."""
    queues._mail.send(queues._link, f'{queues.prefix}_{topic}_result', [message])


def names(queues):
    return [f'{queues.prefix}_requests', *(f'{queues.prefix}_{topic}_result' for topic in sorted(queues.topics))]


def read_until_empty(queues):
    """Everything that arrives, on all queues."""
    readers = (queues.get_task, *(lambda t, topic=topic: queues.get_result(topic, t) for topic in queues.topics))
    arrived = []
    for read in readers:
        with contextlib.suppress(TimeoutException):
            while True:
                arrived.append(read(0))
    return arrived


def test_the_trap_works(trap):
    pickle.loads(pickle.dumps(Bomb(trap)))
    assert trap.exists()


MUTATIONS = st.sampled_from(['cut', 'flip', 'insert', 'double', 'head', 'swap'])


def mutate(sealed, how, at):
    at %= len(sealed)
    return {
        'cut': sealed[:at],
        'flip': sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :],
        'insert': sealed[:at] + b'\0' + sealed[at:],
        'double': sealed + sealed,
        'head': sealed[at + 1 :],
        'swap': sealed[64:] + sealed[:64],
    }[how]


@settings(max_examples=150, **SLOW_FIXTURES)
@given(how=MUTATIONS, at=st.integers(0, 10_000), queue=st.integers(0, 3))
def test_a_message_that_was_changed_in_any_way_is_dropped_unread(queues, client, trap, how, at, queue):
    name = names(queues)[queue]
    message = result_of(Bomb(trap))
    sealed = queues._mail.seal.close(name, b'simulate\n' + message if queue == 0 else message)
    client.rpush(name, mutate(sealed, how, at))
    before = queues.dropped
    assert read_until_empty(queues) == []
    assert queues.dropped == before + 1
    assert not trap.exists()


@settings(max_examples=40, **SLOW_FIXTURES)
@given(origin=st.integers(0, 3), target=st.integers(0, 3), own=st.booleans())
def test_a_message_replayed_elsewhere_or_sealed_by_another_is_dropped_unread(queues, client, trap, origin, target, own):
    seal = queues._mail.seal if own and origin != target else Seal()
    sealed = seal.close(names(queues)[origin], b'simulate\n' + result_of(Bomb(trap)))
    client.rpush(names(queues)[target], sealed)
    before = queues.dropped
    assert read_until_empty(queues) == []
    assert queues.dropped == before + 1
    assert not trap.exists()


def test_another_campaign_with_our_keys_but_not_our_secret_is_not_believed(queues, address, trap):
    forger = SecureRedisQueues(address, queues.topics, prefix=queues.prefix)
    forger.send_inputs(Bomb(trap), method='simulate', topic='simulate')
    push(forger, result_of(Bomb(trap)))
    assert read_until_empty(queues) == []
    assert queues.dropped == 2
    assert not trap.exists()
    forger.disconnect()


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=150, **SLOW_FIXTURES)
@given(
    message=st.one_of(
        st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode()), st.just(b'[' * 50_000),
        st.just(pickle.dumps(7)),
    )
)  # fmt: skip
def test_what_is_sealed_but_no_result_is_dropped(queues, message):
    """Ours, but of another version, say."""
    before = queues.dropped
    push(queues, message)
    push(queues, result_of(7))
    (arrived,) = read_until_empty(queues)
    assert arrived.value == 7
    assert queues.dropped == before + 1


@settings(max_examples=150, **SLOW_FIXTURES)
@given(changes=st.dictionaries(st.integers(0, 9), JSON, min_size=1, max_size=3), nested=st.booleans())
def test_a_result_with_odd_fields_is_dropped_or_arrives_and_the_next_one_does(queues, changes, nested):
    before = queues.dropped
    head, _, rest = result_of(7).partition(b'\n')
    fields = json.loads(head)
    for place, value in changes.items():
        part = fields[1] if nested else fields
        part[place % len(part)] = value
    push(queues, json.dumps(fields).encode() + b'\n' + rest)
    push(queues, result_of(8))
    arrived = read_until_empty(queues)
    assert arrived[-1].value == 8
    assert len(arrived) + queues.dropped - before == 2
    for result in arrived:
        assert isinstance(result.task_id, str)
        assert isinstance(result.task_info, dict)


@settings(max_examples=60, **SLOW_FIXTURES)
@given(noise=st.lists(st.binary(max_size=300), min_size=1, max_size=12))
def test_bytes_of_any_kind_do_not_stand_in_the_way_of_ours(queues, client, noise):
    before = queues.dropped
    name = f'{queues.prefix}_simulate_result'
    client.rpush(name, *noise)
    push(queues, result_of('ours'))
    client.rpush(name, *noise)
    assert [result.value for result in read_until_empty(queues)] == ['ours']
    assert queues.dropped == before + 2 * len(noise)


def test_a_giant_message_is_dropped(queues, client):
    client.rpush(f'{queues.prefix}_requests', b'x' * 20_000_000)
    client.rpush(f'{queues.prefix}_train_result', Seal().close('q', b'y' * 20_000_000))
    assert read_until_empty(queues) == []
    assert queues.dropped == 2


def test_what_waits_at_the_end_is_thrown_away_unread_where_it_is_not_ours(queues, client, trap):
    client.rpush(f'{queues.prefix}_infer_result', pickle.dumps(Bomb(trap)), b'', result_of(Bomb(trap)))
    push(queues, result_of(1, 'infer'), 'infer')
    queues.discard_results()
    assert queues.dropped == 3
    assert read_until_empty(queues) == []
    assert not trap.exists()
