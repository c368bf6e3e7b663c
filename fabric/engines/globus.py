"""The engine for sites that share nothing but the web: Globus Compute, with the driver's tasks on its endpoints."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from colmena.models import Result
from colmena.models.methods import PythonMethod
from colmena.task_server.globus import GlobusComputeTaskServer
from globus_sdk import GlobusAPIError, NetworkError
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_attempt,
    stop_never,
    wait_fixed,
)

from ..errors import EngineRefusedError
from ..hosted import answer_hosted, pack_settings, warm_hosted
from ..payloads import check_carried
from ..probe import report
from ..queues import SecureRedisQueues
from ..workers import pack_task, read_answer
from .base import ServerPlan
from .globus_calls import Call, Patience, Place, Service
from .globus_client import Sdk, connect, describe, refusal
from .globus_endpoint import Endpoint
from .server import ReportingServer

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 3600.0
"""The workers of an endpoint live on when a campaign has ended; what it has started in them ends after so long."""


class GlobusServer(ReportingServer, GlobusComputeTaskServer):
    """Colmena's task server for Globus Compute, with an executor for each endpoint and an answer for every task.

    Colmena's own makes one executor, in a way that the SDK does not know any more, and sends it from endpoint to
    endpoint. What is kept of it is how functions are registered, ``registered_funcs``.

    A worker of an endpoint hands its tasks to a process of ours, which can be killed and replaced. What an endpoint has
    been given cannot be called back: the futures of the SDK let themselves be cancelled while their tasks run on. What
    still waits for an endpoint can.
    """

    def __init__(
        self,
        queues: SecureRedisQueues,
        client: Any,
        methods: Mapping[str, tuple[bytes, str]],
        endpoints: Mapping[str, Endpoint],
        look_seconds: float,
    ) -> None:
        """Register the functions; ``_setup`` looks after the endpoints.

        Args:
            queues: Where tasks come from and results go.
            client: From ``connect``.
            methods: The packed settings of the worker of each method, and the id of its endpoint.
            endpoints: The endpoints, by id.
            look_seconds: How often they are looked after.
        """
        hosted = {_Hosted(kind, packed): endpoint_id for kind, (packed, endpoint_id) in methods.items()}
        GlobusComputeTaskServer.__init__(self, hosted, client, queues)
        ReportingServer.__init__(self, queues, methods.keys())
        self._endpoints = dict(endpoints)
        self._look_seconds = look_seconds
        self._ended = threading.Event()

    def _setup(self) -> None:
        threading.Thread(target=self._look_after, name='endpoint-watch', daemon=True).start()

    def _look_after(self) -> None:
        while not self._ended.is_set():
            for endpoint in self._endpoints.values():
                endpoint.look()
            self._ended.wait(self._look_seconds)

    def _submit(self, task: Result, topic: str) -> Future[Any]:
        task.mark_start_task_submission()
        packed = pack_task(str(task.method), task)
        check_carried(f'A task of {topic} takes', topic, len(packed))
        function, endpoint_id = self.registered_funcs[task.method]
        return self._endpoints[endpoint_id].submit(Call(function, (packed,), len(packed)))

    def _read(self, answer: Any) -> Result:
        return super()._read(read_answer(answer))

    def trouble(self) -> str | None:
        """Nothing that would pass by itself is trouble.

        Raises:
            EngineRefusedError: If an endpoint cannot be used until a person changes something.
        """
        for endpoint in self._endpoints.values():
            if endpoint.refusal is not None:
                raise endpoint.refusal
        return None

    def _cleanup(self) -> None:
        super()._cleanup()
        self._ended.set()
        for endpoint in self._endpoints.values():
            endpoint.close()


class _Hosted(PythonMethod):
    """What Colmena knows as a method, and a worker as a call: workers of endpoints need not import Colmena."""

    def __init__(self, kind: str, packed: bytes) -> None:
        super().__init__(answer_hosted, name=kind)
        self._call = (answer_hosted, packed, kind)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, self._call


def make_server(plan: ServerPlan, sdk: Sdk | None = None, patience: Patience | None = None) -> GlobusServer:
    """The task server of a plan, its endpoints seen to.

    A task server that is started again waits for what is out of reach, because it may come back.

    Args:
        plan: The plan; each of its executors has an endpoint.
        sdk: What to use of the SDK.
        patience: How closely to watch the endpoints.

    Raises:
        EngineRefusedError: If an endpoint or the service cannot be used; the message says what to change.
    """
    # A line for each batch that the rate limit holds up, and for each request that is told about elsewhere.
    logging.getLogger('globus_compute_sdk.sdk.executor').setLevel(logging.ERROR)
    sdk, patience = sdk or Sdk(), patience or Patience()
    attempts = Retrying(
        retry=retry_if_exception_type((GlobusAPIError, NetworkError)),
        wait=wait_fixed(patience.look),
        stop=stop_never if plan.again else stop_after_attempt(1),
        before_sleep=before_sleep_log(logger, logging.WARNING),
        reraise=True,
    )
    try:
        return attempts(_make_server, plan, sdk, patience)
    except (GlobusAPIError, NetworkError) as error:
        raise EngineRefusedError(f'Globus Compute cannot be used: {describe(error)}.') from None


def _make_server(plan: ServerPlan, sdk: Sdk, patience: Patience) -> GlobusServer:
    try:
        return _assemble(plan, sdk, patience)
    except GlobusAPIError as error:
        raise refusal(error, 'Globus Compute') or error from None


def _assemble(plan: ServerPlan, sdk: Sdk, patience: Patience) -> GlobusServer:
    client = connect(sdk)
    routes = plan.routes()
    executors = {name: plan.site.executors[name] for name in dict.fromkeys(routes.values())}
    packed = {
        name: pack_settings(name, replace(plan.workers(name, each.env), idle_seconds=_IDLE_SECONDS))
        for name, each in executors.items()
    }
    ids = {name: str(each.endpoint) for name, each in executors.items()}
    warm = client.register_function(warm_hosted)
    service = Service(sdk, client, client.register_function(report), 1 / len(set(ids.values())))
    endpoints = {}
    for endpoint_id in dict.fromkeys(ids.values()):
        names = [name for name in executors if ids[name] == endpoint_id]
        warming = tuple((warm, (packed[name],), executors[name].worker_count()) for name in names)
        endpoints[endpoint_id] = Endpoint(Place(endpoint_id, ', '.join(names), warming), service, patience)
    if not plan.again:
        for endpoint in endpoints.values():
            endpoint.check()
    methods = {kind: (packed[name], ids[name]) for kind, name in routes.items()}
    return GlobusServer(plan.queues, client, methods, endpoints, patience.look)
