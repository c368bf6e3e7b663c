"""The SDK of Globus Compute with its two wires cut: its requests over HTTP and its stream of results.

``StandInClient`` and ``StandInExecutor`` are the SDK's own classes. What they would send to the service goes to the
processes of a ``globus_service.GlobusService``; what they would get from it comes from these. The rest is the SDK's:
login, serializer, batches, futures, and what becomes of them when a request fails.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
import uuid
from collections import deque
from multiprocessing import connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
from globus_compute_common import messagepack
from globus_compute_common.messagepack.message_types import Result
from globus_compute_sdk import Client, Executor
from globus_compute_sdk.sdk.executor import _ResultWatcher
from globus_sdk import GlobusAppConfig, GlobusConnectionError, UserApp
from globus_sdk.services.compute.errors import ComputeAPIError
from globus_sdk.token_storage import MemoryTokenStorage, TokenStorageData

PAYLOAD_LIMIT = 10 * 1024 * 1024
"""What the service takes as the arguments of a task, and of all tasks of a request, in bytes."""

ACCOUNT, ENDPOINTS = 'account.json', 'endpoints'

_SERVICE = 'funcx_service'
_FOREVER = 10**10
_RECONNECT_SECONDS = 0.05
_WAIT_SECONDS = 0.1


class StandInClient(Client):
    """The SDK's client, in front of a stand-in of the service."""

    def __init__(self, *args: Any, service: Path, **kwargs: Any) -> None:
        """Args: service: Directory of the ``GlobusService``. The others: as ``globus_compute_sdk.Client``."""
        kwargs.setdefault('app', _make_app(_read(service / ACCOUNT)))
        check = kwargs.pop('do_version_check', True)
        super().__init__(*args, do_version_check=False, **kwargs)
        self._compute_web_client = WebClient(service, self.app)
        if check:
            self.version_check()


class StandInExecutor(Executor):
    """The SDK's executor, whose results come from a stand-in of the service."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Args: as ``globus_compute_sdk.Executor``."""
        super().__init__(*args, **kwargs)
        self.api_burst_window_s = 0  # nobody else uses this service

    def _get_result_watcher(self) -> ResultStream:
        web: WebClient = self.client._compute_web_client
        return web.stream(self.task_group_id, self.client)


class ResultStream(_ResultWatcher):
    """The SDK's watcher of results, with a queue for AMQP."""

    def __init__(self, task_group_id: uuid.UUID, client: StandInClient, messages: queue.SimpleQueue[bytes]) -> None:
        """Args: task_group_id, client: as of ``_ResultWatcher``. messages: What the service sends."""
        super().__init__(task_group_id, client)
        self.daemon = True
        self._messages = messages

    def run(self) -> None:
        """Hand on what comes; called by ``start()``."""
        properties = SimpleNamespace(headers=None, timestamp=None)
        while not self._time_to_stop:
            try:
                message = self._messages.get(timeout=_WAIT_SECONDS)
            except queue.Empty:
                pass
            else:
                self._on_message(None, SimpleNamespace(delivery_tag=0), properties, message)
                self._to_ack.clear()
            self._match_results_to_futures()


class WebClient:
    """What the SDK asks of the service's two web interfaces, as attributes ``v2`` and ``v3``."""

    def __init__(self, service: Path, app: Any) -> None:
        """Args: service: Directory of the ``GlobusService``. app: Who is logged in."""
        self.v2 = self.v3 = self
        self._service = service
        self._app = app
        self._functions: dict[str, str] = {}
        self._routes: dict[str, Route] = {}
        self._streams: dict[uuid.UUID, ResultStream] = {}
        self._groups: dict[str, queue.SimpleQueue[bytes]] = {}

    def get_version(self, service: str | None = None) -> Response:
        """Versions that the service still takes."""
        account = self._authorize()
        return Response(min_sdk_version=account['min_sdk_version'], min_ep_version='0.0.0')

    def get_endpoint_status(self, endpoint_id: uuid.UUID | str) -> Response:
        """Whether an endpoint listens."""
        self._endpoint(endpoint_id)
        try:
            connection.Client(self._address(endpoint_id), 'AF_UNIX').close()
        except OSError:
            return Response(status='offline', details={})
        return Response(status='online', details={})

    def get_endpoint(self, endpoint_id: uuid.UUID | str) -> Response:
        """What is known of an endpoint."""
        known = self._endpoint(endpoint_id)
        return Response(uuid=str(endpoint_id), name=known['name'], hostname=known['hostname'])

    def register_function(self, data: dict[str, Any]) -> Response:
        """Keep a function."""
        self._authorize()
        function_id = str(uuid.uuid4())
        self._functions[function_id] = data['function_code']
        return Response(function_uuid=function_id)

    def submit(self, endpoint_id: uuid.UUID | str, data: dict[str, Any]) -> Response:
        """Take tasks for an endpoint, which gets them at once or when it is online again."""
        self._endpoint(endpoint_id)
        size = sum(len(payload) for payloads in data['tasks'].values() for payload in payloads)
        if size > PAYLOAD_LIMIT:
            raise _error(413, f'The arguments have {size} bytes; the limit is {PAYLOAD_LIMIT}')
        group = data.get('task_group_id') or str(uuid.uuid4())
        tasks: dict[str, list[str]] = {}
        for function_id, payloads in data['tasks'].items():
            code = self._functions[function_id]
            tasks[function_id] = [self._take(str(endpoint_id), group, code + payload) for payload in payloads]
        return Response(tasks=tasks, task_group_id=group, request_id=str(uuid.uuid4()), endpoint_id=str(endpoint_id))

    def stream(self, group: uuid.UUID, client: StandInClient) -> ResultStream:
        """The results of a task group, as they come."""
        found = self._streams.get(group)
        if found is None or not found.is_alive():
            found = self._streams[group] = ResultStream(group, client, self._results(str(group)))
            found.start()
        return found

    def _authorize(self) -> dict[str, Any]:
        """What is known of the account; the SDK asks for a login where there is none."""
        account = _read(self._service / ACCOUNT)
        if not account['reachable']:
            raise GlobusConnectionError('ConnectionError on request', requests.ConnectionError())
        self._app.get_authorizer(_SERVICE)
        if not account['logged_in']:  # it was withdrawn
            raise _error(401, 'Credentials are invalid')
        return account

    def _endpoint(self, endpoint_id: uuid.UUID | str) -> dict[str, Any]:
        self._authorize()
        file = self._service / ENDPOINTS / f'{endpoint_id}.json'
        if not file.exists():
            raise _error(404, f'Endpoint {endpoint_id} could not be resolved')
        known = _read(file)
        if not known['permitted']:
            raise _error(403, f'Unauthorized access to endpoint {endpoint_id}')
        return known

    def _address(self, endpoint_id: uuid.UUID | str) -> str:
        return str(self._service / ENDPOINTS / f'{endpoint_id}.sock')

    def _take(self, endpoint_id: str, group: str, packed: str) -> str:
        if endpoint_id not in self._routes:
            self._routes[endpoint_id] = Route(self._address(endpoint_id))
        task_id = str(uuid.uuid4())
        self._routes[endpoint_id].send((task_id, packed), self._results(group))
        return task_id

    def _results(self, group: str) -> queue.SimpleQueue[bytes]:
        return self._groups.setdefault(group, queue.SimpleQueue())


class Route:
    """The way to one endpoint: tasks wait here while it is offline, and those it has are gone when it dies."""

    def __init__(self, address: str) -> None:
        """Args: address: Where it listens when it is online."""
        self._address = address
        self._waiting: deque[tuple[str, str]] = deque()
        self._results: dict[str, queue.SimpleQueue[bytes]] = {}
        self._came = threading.Condition()
        threading.Thread(target=self._run, name='route', daemon=True).start()

    def send(self, task: tuple[str, str], results: queue.SimpleQueue[bytes]) -> None:
        """Send a task; its result will be put among some results."""
        with self._came:
            self._results[task[0]] = results
            self._waiting.append(task)
            self._came.notify()

    def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError), connection.Client(self._address, 'AF_UNIX') as link:
                reader = threading.Thread(target=self._read, args=(link,), daemon=True)
                reader.start()
                self._write(link, reader)
            time.sleep(_RECONNECT_SECONDS)

    def _write(self, link: connection.Connection[Any, Any], reader: threading.Thread) -> None:
        while reader.is_alive():
            with self._came:
                if not self._came.wait_for(lambda: self._waiting, _WAIT_SECONDS):
                    continue
                task = self._waiting[0]
            link.send(task)
            self._waiting.popleft()

    def _read(self, link: connection.Connection[Any, Any]) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = link.recv_bytes()
                result = messagepack.unpack(message)
                assert isinstance(result, Result)
                self._results.pop(str(result.task_id)).put(message)


class Response(dict[str, Any]):
    """An answer of the service."""

    def __init__(self, **data: Any) -> None:
        """Args: data: What it says."""
        super().__init__(data)

    @property
    def data(self) -> dict[str, Any]:
        """What it says."""
        return self


def _make_app(account: dict[str, Any]) -> UserApp:
    """Whoever uses this machine: logged in, if at all, with tokens that never expire."""
    config = GlobusAppConfig(token_storage=MemoryTokenStorage(), request_refresh_tokens=True)
    app = UserApp('stand-in', client_id=str(uuid.UUID(int=1)), config=config)
    if account['logged_in']:
        scopes = {_SERVICE: str(Client.FUNCX_SCOPE), 'auth.globus.org': 'openid'}
        app.token_storage.token_storage.store_token_data_by_resource_server(
            {
                server: TokenStorageData(server, str(uuid.UUID(int=2)), scope, 'access', 'refresh', _FOREVER, 'Bearer')
                for server, scope in scopes.items()
            }
        )
    return app


def _error(status: int, reason: str) -> ComputeAPIError:
    """An error as the service tells it."""
    response = requests.Response()
    response.status_code = status
    response.url = 'https://compute.api.globus.org'
    response.headers['Content-Type'] = 'application/json'
    response.request = requests.Request('GET', response.url).prepare()
    response._content = json.dumps({'status': 'Failed', 'reason': reason}).encode()
    return ComputeAPIError(response)


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content
