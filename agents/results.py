"""Colmena results as the agents and the trace see them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from colmena.models import Result
from proxystore.proxy import Proxy, extract

from scoutbee.contracts.errors import Failure, FailureKind


def failure_of(result: Result) -> Failure | None:
    """Why a task failed, or None if it succeeded.

    Workers and task servers leave a classed failure in ``task_info['failure']``. A failure without one comes from
    code that foresaw nothing, and is taken for chance.
    """
    if result.success:
        return None
    told = (result.task_info or {}).get('failure')
    if told is not None:
        return Failure(FailureKind(told['kind']), told['error'], told['message'], told.get('traceback'))
    info = result.failure_info
    text = info.exception if info is not None else 'the task server gave no reason'
    return Failure(FailureKind.RANDOM, text.split('(', 1)[0], text, info.traceback if info is not None else None)


def value_of(result: Result) -> Any:
    """What the task returned; fetches it (and so evicts it) where the worker sent a proxy."""
    return extract(result.value) if type(result.value) is Proxy else result.value


def task_fields(result: Result, failure: Failure | None) -> dict[str, Any]:
    """The fields that the trace keeps of every task, whatever its kind."""
    worker = result.worker_info
    info = {} if worker is None else {**vars(worker), **(worker.model_extra or {})}
    time = vars(result.time)
    host = info.get('hostname')
    return {
        'task_id': result.task_id,
        'method': result.method or '',
        'success': failure is None,
        'failure': None if failure is None else {**asdict(failure), 'kind': failure.kind.value},
        'timestamps': _finite(vars(result.timestamp)),
        'spans': _finite({**{k: v for k, v in time.items() if k not in ('proxy', 'additional')}, **time['additional']}),
        'sizes': dict(result.message_sizes),
        'proxies': dict(time['proxy']),
        'worker': f'{host}:{info["pid"]}' if host and 'pid' in info else host,
        'host': host,
        'worker_info': {k: v for k, v in info.items() if k != 'hostname'},
    }


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
