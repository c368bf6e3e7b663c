"""A Globus Compute service on this machine, for tests: nothing leaves it, and nobody needs to log in.

Each endpoint is a process with workers of its own (``globus_endpoint``), with its own home, folder, modules and
environment. The service itself is a directory, so that any process can reach it: ``GlobusService.engine`` makes what
is put into ``scoutbee.fabric.engines.ENGINES``, and can be sent to a task server's process.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing import connection
from pathlib import Path
from types import TracebackType
from typing import Any

from scoutbee.fabric.engines.base import ServerPlan
from scoutbee.fabric.engines.globus import make_server
from scoutbee.fabric.engines.globus_calls import Patience
from scoutbee.fabric.engines.globus_client import Sdk

from . import globus_endpoint
from .globus_client import ACCOUNT, ENDPOINTS, StandInClient, StandInExecutor

_START_SECONDS = 60.0
_LONGEST_FOLDER = 35  # paths of sockets may have about a hundred characters
_SHORT_FOLDER = '/tmp'

_OTHER_PYTHON = """
import platform
platform.python_version = lambda: {version!r}
"""

_WITHOUT = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {packages!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Without())
"""


class StandInEndpoint:
    """An endpoint, online while its process runs.

    Attributes:
        id: Its id.
        folder: Its own folder, with its home and the modules that only it has.
    """

    def __init__(self, directory: Path, name: str, workers: int, env: Mapping[str, str], paths: Sequence[str]) -> None:
        """Args: as ``GlobusService.add``; directory: Where the service keeps its endpoints."""
        self.id = str(uuid.uuid4())
        self.folder = directory / self.id
        self._address = directory / f'{self.id}.sock'
        self._file = directory / f'{self.id}.json'
        self._name = name
        self._workers = workers
        self._env = dict(env)
        self._paths = list(paths)
        self._process: subprocess.Popen[bytes] | None = None
        for part in ('home', 'modules'):
            (self.folder / part).mkdir(parents=True)
        self.permit(True)

    @property
    def log_file(self) -> Path:
        """What its processes say."""
        return self.folder / 'log'

    @property
    def pid(self) -> int:
        """Id of its process."""
        assert self._process is not None
        return self._process.pid

    def permit(self, permitted: bool) -> None:
        """Let the account use it, or not."""
        _write(self._file, {'name': self._name, 'hostname': platform.node(), 'permitted': permitted})

    def install(self, **versions: str) -> None:
        """From its next start on, have it report other versions of packages, or of ``python``."""
        modules = self.folder / 'modules'
        for package, version in versions.items():
            if package == 'python':
                (modules / 'sitecustomize.py').write_text(_OTHER_PYTHON.format(version=version))
                continue
            info = modules / f'{package}-{version}.dist-info'
            info.mkdir()
            (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n')

    def uninstall(self, *packages: str) -> None:
        """From its next start on, have its Python not find packages."""
        (self.folder / 'modules' / 'sitecustomize.py').write_text(_WITHOUT.format(packages=packages))

    def start(self) -> None:
        """Start it, and wait until it is online."""
        self._address.unlink(missing_ok=True)
        with self.log_file.open('ab') as log:
            self._process = subprocess.Popen(
                [sys.executable, globus_endpoint.__file__, 'serve', str(self._address), str(self._workers)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder / 'home',
                env={
                    'PATH': os.environ['PATH'],
                    'HOME': str(self.folder / 'home'),
                    'PYTHONPATH': os.pathsep.join([str(self.folder / 'modules'), *self._paths]),
                    **self._env,
                },
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_online():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log_file.read_text()
                raise TimeoutError(f'The endpoint {self._name} did not start within {_START_SECONDS:g} s: {said}')
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it, with its workers and what they run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _is_online(self) -> bool:
        try:
            connection.Client(str(self._address), 'AF_UNIX').close()
        except OSError:
            return False
        return True


class GlobusService:
    """The service and its endpoints; a context manager.

    Attributes:
        directory: Where it is.

    Example:
        >>> with GlobusService() as service:
        ...     endpoint = service.add('cpu', workers=2)
        ...     ENGINES['globus'] = service.engine()
    """

    def __init__(self) -> None:
        """Make a service with a logged-in account and no endpoints."""
        usual = tempfile.gettempdir()
        self.directory = Path(
            tempfile.mkdtemp(prefix='globus-', dir=usual if len(usual) <= _LONGEST_FOLDER else _SHORT_FOLDER)
        )
        (self.directory / ENDPOINTS).mkdir()
        self._endpoints: list[StandInEndpoint] = []
        self.set_account()

    def __enter__(self) -> GlobusService:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def set_account(self, logged_in: bool = True, reachable: bool = True, min_sdk_version: str = '1.0.0') -> None:
        """Say how the service treats this machine.

        Args:
            logged_in: Whether somebody is logged in.
            reachable: Whether the service can be reached.
            min_sdk_version: The oldest SDK that it takes.
        """
        account = {'logged_in': logged_in, 'reachable': reachable, 'min_sdk_version': min_sdk_version}
        _write(self.directory / ACCOUNT, account)

    def add(
        self,
        name: str,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
        paths: Sequence[str] = (),
        start: bool = True,
    ) -> StandInEndpoint:
        """Register an endpoint.

        Args:
            name: Its name.
            workers: How many workers it has.
            env: The environment of its processes; they inherit none.
            paths: Where its Python looks for modules, beyond its installation.
            start: Whether to start it.
        """
        endpoint = StandInEndpoint(self.directory / ENDPOINTS, name, workers, env or {}, paths)
        self._endpoints.append(endpoint)
        if start:
            endpoint.start()
        return endpoint

    def engine(self, patience: Patience | None = None) -> Callable[[ServerPlan], Any]:
        """What makes a task server that uses this service: an entry of ``ENGINES``.

        Args:
            patience: How closely it watches its endpoints; closer than one would watch a real one, if not given.
        """
        return engine_of(self.directory, patience)

    def command(self, *flags: object) -> list[str]:
        """A command that does what ``run.py`` does, with this service for Globus Compute."""
        return [sys.executable, '-m', 'scoutbee.testing.globus_run', str(self.directory), *map(str, flags)]

    def close(self) -> None:
        """Kill the endpoints and remove what there is."""
        for endpoint in self._endpoints:
            endpoint.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def engine_of(directory: Path, patience: Patience | None = None) -> Callable[[ServerPlan], Any]:
    """As ``GlobusService.engine``, for another process than that of the service.

    Args:
        directory: Where the service is.
        patience: How closely to watch the endpoints.
    """
    sdk = Sdk(partial(StandInClient, service=directory), StandInExecutor)
    return partial(make_server, sdk=sdk, patience=patience or Patience(look=0.2, offline=2.0, probe=30.0))


def _write(file: Path, content: Mapping[str, Any]) -> None:
    draft = file.with_suffix('.draft')
    draft.write_text(json.dumps(content))
    with contextlib.suppress(OSError):
        draft.replace(file)
