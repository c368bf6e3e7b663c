"""Tasks and their results as they travel: Colmena's ``Result``, written and read at little cost.

Colmena checks every field of every message against a schema at each station of its way, and writes pickles as
hexadecimal text. Here a message is a line of JSON, which describes the task, and after it the pickled arguments and the
pickled value as they are. Neither is unpickled before somebody asks for it, so a task server never does.
"""

from __future__ import annotations

import functools
import pickle
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from colmena.models import FailureInformation, ResourceRequirements, Result, SerializationMethod
from colmena.models.results import TimeSpans, Timestamps, WorkerInformation
from proxystore.store.config import StoreConfig
from pydantic import BaseModel
from pydantic_core import from_json, to_json

_PROTOCOL = 5  # of pickles: the newest that all Python versions of workers can read
_FORMAT = 1
_MOMENTS = tuple(Timestamps.model_fields)
_SPANS = tuple(name for name in TimeSpans.model_fields if name not in ('proxy', 'additional'))
_NAN = float('nan')
_RESOURCES = ResourceRequirements()  # no engine of ours looks at them
_FIELDS: Mapping[str, tuple[type, ...]] = {
    'task_id': (str,),
    'method': (str, type(None)),
    'topic': (str,),
    'success': (bool, type(None)),
    'complete': (bool, type(None)),
    'task_info': (dict,),
    'message_sizes': (dict,),
}
"""Fields that travel as they are, and what they may be."""


class Message(Result):
    """A task or its result: one of Colmena's, which holds its arguments and its value as bytes while it travels."""

    def serialize(self) -> tuple[float, list[Any]]:
        """Pickle the arguments and the value; nothing is put into a store.

        Returns:
            Seconds that it took, and no proxies.
        """
        started = time.perf_counter()
        state = self.__dict__  # setting the attributes of a pydantic model takes several times as long
        inputs = pickle.dumps(state['inputs'], _PROTOCOL)
        value = None if state['value'] is None else pickle.dumps(state['value'], _PROTOCOL)
        state['inputs'], state['value'] = inputs, value
        state['message_sizes'].setdefault('inputs', len(inputs))
        if value is not None:
            state['message_sizes'].setdefault('value', len(value))
        return time.perf_counter() - started, []

    def deserialize(self) -> float:
        """Read the arguments and the value, where they are pickled.

        Returns:
            Seconds that it took.

        Raises:
            Exception: Whatever reading a pickle may raise.
        """
        started = time.perf_counter()
        state = self.__dict__
        state['inputs'], state['value'] = _read(state['inputs']), _read(state['value'])
        return time.perf_counter() - started

    def __reduce__(self) -> tuple[Any, ...]:
        return unpack, (pack(self),)


def new_message(
    method: str | None, topic: str, arguments: tuple[Any, ...], keywords: dict[str, Any], info: dict[str, Any]
) -> Message:
    """A task that is about to be sent, its arguments pickled.

    Args:
        method: Kind of task.
        topic: Its topic.
        arguments: Its arguments; proxies stay proxies.
        keywords: Its keyword arguments.
        info: Comes back with the result; plain data that JSON can hold.

    Raises:
        Exception: Whatever pickling the arguments may raise.
    """
    fields = dict(zip(_FIELDS, (uuid4().hex, method, topic, None, None, info, {}), strict=True))
    moments = dict.fromkeys(_MOMENTS, _NAN)
    moments['created'] = time.time()
    spans = {**dict.fromkeys(_SPANS, _NAN), 'proxy': {}, 'additional': {}}
    message = _assemble(fields, (arguments, keywords), None, moments, spans)
    spans['serialize_inputs'], _ = message.serialize()
    return message


def pack(message: Message) -> bytes:
    """A message as bytes.

    Raises:
        TypeError: If what describes it is not plain data, or its arguments or value are not pickled.
        ValueError: Likewise.
    """
    state = message.__dict__
    inputs, value = _pickled(state['inputs']), _pickled(state['value'])
    moments, spans = state['timestamp'].__dict__, state['time'].__dict__
    failure, worker, config = state['failure_info'], state['worker_info'], state['proxystore_config']
    head = (
        _FORMAT,
        [state[name] for name in _FIELDS],
        [moments[name] for name in _MOMENTS],
        [spans[name] for name in _SPANS],
        spans['proxy'],
        spans['additional'],
        None if failure is None else [failure.exception, failure.traceback],
        None if worker is None else {'hostname': worker.hostname, **(worker.model_extra or {})},
        None if config is None else [message.proxystore_name, config.model_dump_json(), message.proxystore_threshold],
        len(inputs),
    )
    return b''.join((to_json(head, inf_nan_mode='constants'), b'\n', inputs, value))


def unpack(data: bytes | memoryview) -> Message:
    """The message in some bytes; what is pickled in it stays so.

    Raises:
        ValueError: If the bytes hold something else, which for all that is known may be of another version.
    """
    data = bytes(data)
    end = data.find(b'\n')
    try:
        head = from_json(data[:end])
        number, values, moments, spans, proxies, additional, failure, worker, store, length = head
        if number != _FORMAT:
            raise ValueError(f'it is of format {number}, expected {_FORMAT}')
        fields = {name: _checked(name, value) for name, value in zip(_FIELDS, values, strict=True)}
        message = _assemble(
            fields,
            data[end + 1 : end + 1 + length] or ((), {}),
            data[end + 1 + length :] or None,
            {name: float(value) for name, value in zip(_MOMENTS, moments, strict=True)},
            {
                **{name: float(value) for name, value in zip(_SPANS, spans, strict=True)},
                'proxy': dict(proxies),
                'additional': dict(additional),
            },
        )
        if failure is not None:
            message.failure_info = FailureInformation(exception=failure[0], traceback=failure[1])
        if worker is not None:
            message.worker_info = worker_information(dict(worker))
        if store is not None:
            message.proxystore_name, config, threshold = store
            message.proxystore_config, message.proxystore_threshold = _config(config), int(threshold)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(f'Not a message of ours: {type(error).__name__}: {error}') from None
    return message


def worker_information(facts: dict[str, Any]) -> WorkerInformation:
    """What is known of a worker, without checking it: whoever tells it is trusted.

    Args:
        facts: Its ``hostname``, and whatever else; plain data that JSON can hold.
    """
    known = {'hostname': facts.get('hostname')}
    extra = {name: value for name, value in facts.items() if name != 'hostname'}
    return _build(WorkerInformation, known, extra)


def _assemble(
    fields: dict[str, Any], inputs: Any, value: Any, moments: dict[str, float], spans: dict[str, Any]
) -> Message:
    return _build(  # type: ignore[no-any-return]
        Message,
        {
            **fields,
            'inputs': inputs,
            'value': value,
            'resources': _RESOURCES,
            'failure_info': None,
            'worker_info': None,
            'timestamp': _build(Timestamps, moments),
            'time': _build(TimeSpans, spans),
            'serialization_method': SerializationMethod.PICKLE,
            'keep_inputs': False,
            'proxystore_name': None,
            'proxystore_config': None,
            'proxystore_threshold': None,
            'max_retries': 0,
            'retries': 0,
        },
    )


def _build(kind: type[BaseModel], fields: dict[str, Any], extra: dict[str, Any] | None = None) -> Any:
    """An object of a pydantic model made as unpickling makes it: without a look at its fields."""
    made: Any = kind.__new__(kind)
    made.__setstate__({'__dict__': fields, '__pydantic_fields_set__': set(), '__pydantic_extra__': extra})
    return made


def _checked(name: str, value: Any) -> Any:
    if not isinstance(value, _FIELDS[name]):
        raise TypeError(f'{name} is {value!r:.60}')
    return value


def _pickled(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if value is None or value == ((), {}):
        return b''
    raise TypeError(f'Expected arguments and a value that are pickled, got a {type(value).__name__}; call serialize().')


def _read(value: Any) -> Any:
    return pickle.loads(value) if isinstance(value, bytes) else value


@functools.lru_cache(64)
def _config(text: str) -> StoreConfig:
    return StoreConfig.model_validate_json(text)
