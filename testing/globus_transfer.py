"""A stand-in for Globus' transfer service, in place of the SDK's client and of nothing else.

Collections are folders of this machine, and transfers copy real files between them. All processes that are told of one
state folder (in ``SCOUTBEE_TRANSFER_STAND_IN``) use the same service. Importing this module puts the stand-in in place
in a process that is told of one, so a worker needs it among the modules that it imports as it starts.

A process with ``SCOUTBEE_TRANSFER_HOST`` is on a host of that name, so that two sites fit on one machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import globus_sdk
import requests
from globus_sdk import GlobusHTTPResponse, TransferAPIError

STATE = 'SCOUTBEE_TRANSFER_STAND_IN'
HOST = 'SCOUTBEE_TRANSFER_HOST'

REAL_CLIENT = globus_sdk.TransferClient
"""The SDK's own client."""

_LOOK_SECONDS = 0.02


class GlobusTransfer:
    """The service, as whoever runs it sees it.

    As a context manager, it has this process and all that it starts use it.
    """

    def __init__(self, state: Path) -> None:
        """Args: state: Folder in which all processes find it."""
        self.state = state
        (state / 'tasks').mkdir(parents=True, exist_ok=True)
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> GlobusTransfer:
        self._before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        globus_sdk.TransferClient = REAL_CLIENT
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process that is to use it has in its environment; it is logged in there."""
        return {STATE: str(self.state), 'PROXYSTORE_HOME': str(self.state / 'home')}

    def add_collection(self, folder: Path) -> str:
        """A collection whose root is a folder, which is made; returns its id."""
        folder.mkdir(parents=True, exist_ok=True)
        number = str(uuid.uuid4())
        with self._locked():
            self._write('collections', {**self.collections(), number: str(folder)})
        return number

    def add_sites(self, sites: Mapping[str, Path]) -> Path:
        """Collections for some sites; returns a file that names them, for ``--ps-globus-config``.

        Args:
            sites: The folder that each site has, by the regular expression that fits the names of its hosts.
        """
        config = {
            self.add_collection(folder): {'host_regex': host, 'endpoint_path': '/', 'local_path': str(folder)}
            for host, folder in sites.items()
        }
        file = self.state / f'{uuid.uuid4()}.json'
        file.write_text(json.dumps(config))
        return file

    def collections(self) -> dict[str, str]:
        """Root of each collection."""
        return self._read('collections')

    def close_collection(self, number: str) -> None:
        """Take a collection away, with its files."""
        with self._locked():
            left = self.collections()
            shutil.rmtree(left.pop(number))
            self._write('collections', left)

    def log_in(self) -> None:
        """Give those who use it tokens, such as a login would."""
        from globus_sdk.scopes import AuthScopes, TransferScopes
        from globus_sdk.token_storage import TokenStorageData
        from proxystore.globus.app import get_token_storage

        granted = {AuthScopes: 'openid email', TransferScopes: str(TransferScopes.all)}
        tokens = {
            scopes.resource_server: TokenStorageData(
                resource_server=scopes.resource_server,
                identity_id=None,
                scope=scope,
                access_token='stand-in',
                refresh_token='stand-in',
                expires_at_seconds=2**33,
                token_type='Bearer',
            )
            for scopes, scope in granted.items()
        }
        storage = get_token_storage(self.state / 'home' / 'storage.db')
        storage.store_token_data_by_resource_server(tokens)
        storage.close()

    def pause(self) -> None:
        """Let tasks wait."""
        (self.state / 'paused').touch()

    def resume(self) -> None:
        """Do what waits."""
        (self.state / 'paused').unlink(missing_ok=True)
        self.work()

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks so far, oldest first."""
        found = [json.loads(file.read_text()) for file in (self.state / 'tasks').glob('*.json')]
        return sorted(found, key=lambda task: task['request_time'])

    # -- what its clients use --------------------------------------------------------------------------------------

    def submit(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Take a task, and do it unless tasks are to wait."""
        task = {
            'task_id': str(uuid.uuid4()),
            'status': 'ACTIVE',
            'nice_status': None,
            'nice_status_short_description': None,
            'request_time': time.time(),
            'document': document,
        }
        with self._locked():
            self._write(f'tasks/{task["task_id"]}', task)
        self.work()
        return task

    def task(self, number: str) -> dict[str, Any] | None:
        """A task, or None if there is none."""
        try:
            return self._read(f'tasks/{uuid.UUID(number)}') or None
        except ValueError:
            return None

    def place(self, collection: str, path: str) -> Path:
        """Where a file of a collection lies."""
        return Path(self.collections()[collection]) / path.lstrip('/')

    def work(self) -> None:
        """Do the tasks that wait, unless they are to."""
        if (self.state / 'paused').exists():
            return
        with self._locked():
            for task in self.tasks():
                if task['status'] == 'ACTIVE':
                    self._write(f'tasks/{task["task_id"]}', {**task, **self._done(task['document'])})

    def _done(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What became of a task."""
        try:
            (self._transfer if document['DATA_TYPE'] == 'transfer' else self._delete)(document)
        except (OSError, KeyError) as error:
            told = f'{type(error).__name__}: {error}'
            return {'status': 'FAILED', 'nice_status': 'FILE_NOT_FOUND', 'nice_status_short_description': told}
        return {'status': 'SUCCEEDED'}

    def _transfer(self, document: Mapping[str, Any]) -> None:
        for item in document['DATA']:
            source = self.place(document['source_endpoint'], item['source_path'])
            target = self.place(document['destination_endpoint'], item['destination_path'])
            half = target.with_name(f'.{target.name}.part')
            shutil.copyfile(source, half)
            half.replace(target)

    def _delete(self, document: Mapping[str, Any]) -> None:
        for item in document['DATA']:
            path = self.place(document['endpoint'], item['path'])
            if path.is_dir() and document.get('recursive'):
                shutil.rmtree(path)
            elif path.exists() or not document.get('ignore_missing'):
                path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.state / 'lock').open('w') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.state / f'{name}.json').read_text())
        except FileNotFoundError:
            return {}
        return found

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        file = self.state / f'{name}.json'
        half = file.with_suffix('.part')
        half.write_text(json.dumps(content))
        half.replace(file)


class StandInTransferClient:
    """Has the signatures of the SDK's client; what is not here is not stood in for."""

    def __init__(
        self,
        *,
        environment: str | None = None,
        base_url: str | None = None,
        app: Any = None,
        app_scopes: Any = None,
        authorizer: Any = None,
        app_name: str | None = None,
        transport: Any = None,
        retry_config: Any = None,
    ) -> None:
        """Use the service of this process; the arguments mean nothing to it."""
        self._service = GlobusTransfer(Path(os.environ[STATE]))

    def add_app_data_access_scope(self, collection_ids: Any) -> StandInTransferClient:
        """Ask for consents, which are not asked for here."""
        return self

    def get_endpoint(self, endpoint_id: Any, *, query_params: dict[str, Any] | None = None) -> GlobusHTTPResponse:
        """What a collection is."""
        self._check_collections([endpoint_id])
        return self._response(
            200, {'id': str(endpoint_id), 'entity_type': 'GCP_mapped_collection', 'high_assurance': False}
        )

    def operation_mkdir(
        self,
        endpoint_id: Any,
        path: str,
        *,
        local_user: Any = globus_sdk.MISSING,
        query_params: dict[str, Any] | None = None,
    ) -> GlobusHTTPResponse:
        """Make a folder, whose parent must be there."""
        self._check_collections([endpoint_id])
        try:
            self._service.place(str(endpoint_id), path).mkdir()
        except FileExistsError:
            raise _refused(502, 'ExternalError.MkdirFailed.Exists', f'{path} exists') from None
        except OSError as error:
            raise _refused(502, 'ExternalError.MkdirFailed', f'{path}: {error.strerror}') from None
        return self._response(202, {'code': 'DirectoryCreated'})

    def submit_transfer(self, data: Any) -> GlobusHTTPResponse:
        """Take a transfer task."""
        document = _plain(data)
        self._check_collections([document['source_endpoint'], document['destination_endpoint']])
        return self._response(202, {'code': 'Accepted', **self._service.submit(document)})

    def submit_delete(self, data: Any) -> GlobusHTTPResponse:
        """Take a delete task."""
        document = _plain(data)
        self._check_collections([document['endpoint']])
        return self._response(202, {'code': 'Accepted', **self._service.submit(document)})

    def get_task(self, task_id: Any, *, query_params: dict[str, Any] | None = None) -> GlobusHTTPResponse:
        """What is known of a task."""
        task = self._service.task(str(task_id))
        if task is None:
            raise _refused(400, 'ClientError.BadRequest.TaskNotFound', f'There is no task {task_id}')
        return self._response(200, task)

    def task_wait(self, task_id: Any, *, timeout: int = 10, polling_interval: int = 10) -> bool:
        """Wait for the end of a task; returns whether it came in time. It is looked at more often than was asked."""
        if min(timeout, polling_interval) < 1:
            raise globus_sdk.GlobusSDKUsageError('TransferClient.task_wait has a minimum of 1')
        end = time.monotonic() + timeout
        while self.get_task(task_id)['status'] == 'ACTIVE':
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _response(self, status: int, content: Mapping[str, Any]) -> GlobusHTTPResponse:
        return GlobusHTTPResponse(_http(status, content), client=self)

    def _check_collections(self, numbers: Iterable[Any]) -> None:
        known = self._service.collections()
        for number in numbers:
            if str(number) not in known:
                raise _refused(404, 'EndpointNotFound', f'There is no collection {number}')


def install() -> None:
    """Put the stand-in in place in this process, and tell it its host's name."""
    globus_sdk.TransferClient = StandInTransferClient
    host = os.environ.get(HOST)
    if host is not None:
        socket.gethostname = lambda: host


def _plain(data: Any) -> dict[str, Any]:
    """A task as the SDK's client would send it: without what was left out."""
    given = {name: value for name, value in dict(data).items() if value is not globus_sdk.MISSING}
    content: dict[str, Any] = json.loads(json.dumps({**given, 'DATA': [_given(item) for item in given['DATA']]}))
    return content


def _given(item: Any) -> dict[str, Any]:
    return {name: value for name, value in dict(item).items() if value is not globus_sdk.MISSING}


def _refused(status: int, code: str, message: str) -> TransferAPIError:
    return TransferAPIError(_http(status, {'code': code, 'message': message, 'request_id': 'stand-in'}))


def _http(status: int, content: Mapping[str, Any]) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers['Content-Type'] = 'application/json'
    response._content = json.dumps(content).encode()
    response.request = requests.Request('GET', 'https://transfer.api.globus.org').prepare()
    return response


if STATE in os.environ:
    install()
