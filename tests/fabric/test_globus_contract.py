"""The stand-in of Globus Compute against the installed SDK: what changes there must be noticed here."""

import inspect

import pytest
from globus_compute_sdk import Client, Executor
from globus_compute_sdk.sdk.executor import _ResultWatcher
from globus_compute_sdk.serialize import ComputeSerializer
from globus_sdk import ComputeClientV2, ComputeClientV3
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.fabric.payloads import LIMIT_BYTES, carried_bytes
from scoutbee.testing.globus_client import (
    PAYLOAD_LIMIT,
    ResultStream,
    StandInClient,
    StandInExecutor,
    WebClient,
)
from scoutbee.testing.globus_endpoint import RESULT_LIMIT

REQUESTS = [
    (ComputeClientV2, 'get_version'),
    (ComputeClientV2, 'get_endpoint_status'),
    (ComputeClientV2, 'get_endpoint'),
    (ComputeClientV3, 'register_function'),
    (ComputeClientV3, 'submit'),
]
"""What the SDK asks of the service's two interfaces for what the engine asks of the SDK."""

CALLS = [
    (Client, (), {'do_version_check': False}),
    (Client, (), {'app': None, 'do_version_check': True}),
    (Client.version_check, ('self',), {}),
    (Client.register_function, ('self', len), {}),
    (Client.get_endpoint_status, ('self', 'id'), {}),
    (Client.get_endpoint_metadata, ('self', 'id'), {}),
    (
        Executor,
        (),
        {'endpoint_id': 'id', 'client': None, 'label': '', 'api_burst_limit': 8, 'api_burst_window_s': 10},
    ),
    (Executor.submit_to_registered_function, ('self', 'id'), {'args': ()}),
    (Executor.shutdown, ('self',), {'wait': False, 'cancel_futures': True}),
]
"""What the engine calls, as it calls it."""


def parameters(function):
    return [(name, each.kind) for name, each in inspect.signature(function).parameters.items()]


@pytest.mark.parametrize(('owner', 'name'), REQUESTS)
def test_the_stand_in_takes_the_requests_that_the_sdk_makes(owner, name):
    assert parameters(getattr(WebClient, name)) == parameters(getattr(owner, name))


@pytest.mark.parametrize(('function', 'args', 'kwargs'), CALLS)
def test_the_sdk_takes_what_the_engine_gives_it(function, args, kwargs):
    inspect.signature(function).bind(*args, **kwargs)


@pytest.mark.parametrize(('double', 'original'), [(StandInClient, Client), (StandInExecutor, Executor)])
def test_only_the_wires_are_cut(double, original):
    assert issubclass(double, original)
    replaced = {name for name in vars(double) if not name.startswith('__')}
    assert replaced <= {'_get_result_watcher'}
    for name in replaced:
        assert parameters(getattr(double, name)) == parameters(getattr(original, name))


def test_results_are_handed_on_by_the_sdk_itself():
    assert set(inspect.signature(ResultStream).parameters) - {'messages'} <= set(
        inspect.signature(_ResultWatcher).parameters
    )
    assert parameters(_ResultWatcher._on_message)[1:] == [
        (name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ('channel', 'basic_deliver', 'props', 'body')
    ]
    assert parameters(_ResultWatcher.run) == parameters(ResultStream.run)


def test_the_limits_are_those_of_the_service():
    assert LIMIT_BYTES <= PAYLOAD_LIMIT == RESULT_LIMIT


@settings(max_examples=50)
@given(st.integers(0, 300_000))
def test_what_is_carried_is_counted_as_the_sdk_packs_it(size):
    serializer = ComputeSerializer()
    arguments = serializer.pack_buffers([serializer.serialize((bytes(size),)), serializer.serialize({})])
    assert len(arguments) <= carried_bytes(size) <= len(arguments) * 1.01 + 1000
    assert len(serializer.serialize(bytes(size))) <= carried_bytes(size)
