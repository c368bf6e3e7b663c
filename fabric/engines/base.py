"""A task server in a process of its own, seen from the driver."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from ..errors import EngineError, EngineRefusedError
from ..methods import worker_methods
from ..processes import collect_rarely, kill_session, on_parent_death
from ..queues import SecureRedisQueues
from ..server_process import ServerProcess
from ..sites import Site
from ..workers import WorkerSettings

logger = logging.getLogger(__name__)

LOG_NAME = 'server.log'
_START_SECONDS = 60.0
_READY = 'ready'
_REFUSED = 'refused'
_FAILED = 'failed'
_ORPHAN_SECONDS = 10.0
_LONGEST_FOLDER = 50
_SHORT_FOLDER = '/tmp'
_SCRATCH = 'scoutbee-'
_FIRST = 'scoutbee.fabric.lean_proxystore'
"""What workers import before all else."""

EXIT_LOST = 3
"""Exit status of a task server whose engine or Redis server broke down."""

EXIT_REFUSED = 4
"""Exit status of a task server that will not do as it is configured; starting it again would not help."""


@dataclass(frozen=True)
class ServerPlan:
    """All that a task server's process needs to know.

    Attributes:
        site: Where tasks run.
        methods: The functions to serve, by kind.
        queues: Where tasks come from and results go.
        directory: Where the engine may write; it exists.
        preload: Modules that workers import as they start, by kind, beside those of the site.
        deadlines: How long a task may run, in seconds, by kind.
        again: Whether an earlier task server of this driver was ready, and died: what is out of reach may come back.
    """

    site: Site
    methods: Mapping[str, Callable[..., Any]]
    queues: SecureRedisQueues
    directory: Path
    preload: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deadlines: Mapping[str, float] = field(default_factory=dict)
    again: bool = False

    def routes(self) -> dict[str, str]:
        """Name of the executor that runs each kind that is served."""
        return {kind: self.site.executor_for(kind)[0] for kind in self.methods}

    def workers(self, executor: str, env: Mapping[str, str] | None = None) -> WorkerSettings:
        """How the worker processes of an executor are started.

        Args:
            executor: Its name.
            env: Environment variables that are to be set for them.
        """
        settings = self.site.executors[executor]
        kinds = [kind for kind, route in self.routes().items() if route == executor]
        cache_bytes = int(settings.cache_mb * 1_000_000)
        asked = [module for kind in settings.kinds for module in self.preload.get(kind, ())]
        return WorkerSettings(
            WorkerSettings.pack(worker_methods({kind: self.methods[kind] for kind in kinds}, cache_bytes)),
            env or {},
            tuple(dict.fromkeys((_FIRST, *settings.preload, *asked))),
            {kind: seconds for kind, seconds in self.deadlines.items() if kind in kinds},
        )


ServerFactory = Callable[[ServerPlan], Any]
"""Makes a Colmena task server from a plan; module-level, called in the server's process."""


class Engine:
    """Runs a task server in a process of its own and everything that belongs to it.

    The process is spawned, so the driver may have threads. It leads a session, so a Ctrl-C in the terminal does not
    reach it and nothing it starts can be overlooked when it ends. It ends when the driver does, however that ends.

    Example:
        >>> with make_engine(site, 'local', methods, queues, run_dir) as engine:
        ...     queues.send_inputs(1, method='simulate', topic='simulate')
    """

    def __init__(self, factory: ServerFactory, plan: ServerPlan, process: ServerProcess | None = None) -> None:
        """Prepare; ``start`` starts it.

        Args:
            factory: Makes the task server.
            plan: What it needs to know.
            process: The process of the first task server, which waits to be told; one is started if not given.
        """
        self._factory = factory
        self._plan = plan
        self._waiting = process
        self._process: SpawnProcess | None = None
        self._news: Connection | None = None
        self._told: tuple[str, str] | None = None

    def __enter__(self) -> Engine:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the task server, which is also the id of the session of all that belongs to it."""
        return self._process.pid if self._process is not None else None

    @property
    def exit_code(self) -> int | None:
        """Exit status of the task server, or None while it runs or if it was never started."""
        return self._process.exitcode if self._process is not None else None

    @property
    def log_file(self) -> Path:
        """File with what the task server, its engine and its local workers say."""
        return self._plan.directory / LOG_NAME

    def start(self) -> None:
        """Start the task server, or start it anew after it died; returns at once.

        Tasks may be sent before it is ready: they wait in the queue.

        Raises:
            EngineError: If it is running.
        """
        if self.alive():
            raise EngineError('The task server is already running; stop it before starting it again.')
        had_begun = (self._hear(0.0) or (_FAILED, ''))[0] == _READY
        self._plan = replace(self._plan, again=self._plan.again or had_begun)
        self.stop()  # what an earlier one left behind
        self._remove_scratch()  # what a driver left that was killed together with its task server
        scratch = _make_scratch()
        self._scratch_link.symlink_to(scratch)
        # Python waits for child processes before it exits; this ends ours before that.
        atexit.register(self.stop)
        server, self._waiting = self._waiting or ServerProcess(self._plan.site.engine), None
        # Before it starts, so that an interrupt finds what there is.
        self._process, self._news = server.process, server.news
        self._told = None
        if server.process.pid is None:
            server.start()
        server.tell(_serve, self._factory, self._plan, scratch)
        logger.info('Started the %s task server, process %s', self._plan.site.engine, server.process.pid)

    def wait_until_ready(self, seconds: float = _START_SECONDS) -> None:
        """Wait until the task server takes tasks.

        Args:
            seconds: How long to wait at most.

        Raises:
            EngineRefusedError: If it will not do as it is configured; the message says what to change.
            EngineError: If it could not start, with the reason and the end of its log.
        """
        if self._process is None:
            raise EngineError('The task server was not started; call `start()` first.')
        what, text = self._hear(seconds) or (_FAILED, f'it was not ready within {seconds:g} s')
        if what == _READY:
            return
        tail = self.log_tail()
        self.stop(0)
        if what == _REFUSED:
            raise EngineRefusedError(text)
        raise EngineError(f'The task server could not be started: {text}. Its log ({self.log_file}) ends:\n{tail}')

    @property
    def refusal(self) -> str | None:
        """Why the task server, which has ended, will not do as it is configured; None if that is not why."""
        if self.exit_code != EXIT_REFUSED:
            return None
        while True:
            what, text = self._hear(0.0) or (_FAILED, '')
            if what != _READY:
                return text
            self._told = None  # what came of it since

    def _hear(self, seconds: float) -> tuple[str, str] | None:
        """What the task server told first of what was not yet dealt with; None if nothing came in time."""
        if self._told is None and self._news is not None:
            try:
                self._told = self._news.recv() if self._news.poll(seconds) else None
            except (EOFError, OSError):
                self._told = (_FAILED, 'its process died')
        return self._told

    def alive(self) -> bool:
        """Whether the task server's process runs."""
        return self._process is not None and self._process.is_alive()

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Stop the task server and everything that belongs to it; harmless if it does not run.

        Running tasks are not waited for: the driver does that, if it wants to, before it calls this.

        Args:
            grace_seconds: How long the server may take to end its engine in order, before all of it is killed.
        """
        process, self._process = self._process, None
        news, self._news = self._news, None
        atexit.unregister(self.stop)
        if news is not None:
            news.close()
        if process is None or process.pid is None:
            return
        if process.is_alive():
            process.terminate()
            process.join(grace_seconds)
        if process.is_alive():
            process.kill()
        process.join()
        left = kill_session(process.pid)
        if left:
            logger.info('Killed %d processes that the task server left', left)
        self._remove_scratch()
        process.close()

    @property
    def _scratch_link(self) -> Path:
        """Says where the temporary files are, so that whoever goes on with the run can remove them."""
        return self._plan.directory / 'temporary'

    def _remove_scratch(self) -> None:
        link = self._scratch_link
        with contextlib.suppress(OSError):
            scratch = Path(os.readlink(link))
            if scratch.name.startswith(_SCRATCH):
                shutil.rmtree(scratch, ignore_errors=True)
        link.unlink(missing_ok=True)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the task server's log; empty if there is none."""
        try:
            return '\n'.join(self.log_file.read_text(errors='replace').splitlines()[-lines:])
        except FileNotFoundError:
            return ''


def _make_scratch() -> Path:
    """A folder for temporary files. Sockets lie in it, whose paths may have about a hundred characters."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=usual if len(usual) <= _LONGEST_FOLDER else _SHORT_FOLDER))


class _Told(BaseException):
    """The driver told the task server to stop."""


def _serve(news: Connection, factory: ServerFactory, plan: ServerPlan, scratch: Path) -> None:
    """What the task server's process does."""
    on_parent_death(partial(_die, scratch))
    # Parsl's managers and workers that are killed leave sockets and files behind, wherever temporary ones are kept.
    os.environ['TMPDIR'] = str(scratch)
    tempfile.tempdir = None  # what was looked up before does not hold
    signal.signal(signal.SIGTERM, _on_terminate)
    _write_output_to(plan.directory / LOG_NAME)
    status = 1
    try:
        status = _run(factory, plan, news)
    except _Told:
        status = 0
    except BaseException:
        logger.exception('The task server failed')
    finally:
        # Whatever is left is not worth waiting for, and threads of the engine must not keep the process alive.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        kill_session(os.getpid())
        shutil.rmtree(scratch, ignore_errors=True)
        logging.shutdown()
        os._exit(status)


def _run(factory: ServerFactory, plan: ServerPlan, news: Connection) -> int:
    server = None
    try:
        server = factory(plan)
        server.queues.set_role('server')
        server._setup()
        collect_rarely()
        _tell(news, _READY, '')
        logger.info('Ready for tasks of %s', ', '.join(sorted(server.method_names)))
        server.listen_and_launch()
    except EngineRefusedError as error:
        logger.error('%s', error)
        _tell(news, _REFUSED, str(error))
        return EXIT_REFUSED
    except Exception as error:
        logger.exception('The task server cannot go on')
        _tell(news, _FAILED, f'{type(error).__name__}: {error}')
        return EXIT_LOST
    finally:
        if server is not None:
            server._cleanup()
    return 0


def _tell(news: Connection, what: str, text: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        news.send((what, text))


def _die(scratch: Path) -> None:
    """The driver is gone: end in order, so that blocks are given back, and at any rate soon."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHAN_SECONDS)
    kill_session(os.getpid())
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(EXIT_LOST)


def _on_terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Told


def _write_output_to(file: Path) -> None:
    """Send everything that this process and its children print, and its log, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    logging.basicConfig(
        level=logging.INFO,
        format='%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s',
        stream=sys.stderr,
        force=True,
    )
    for talkative in ('colmena', 'parsl', 'proxystore', 'globus_compute_sdk', 'globus_sdk'):  # several lines a task
        logging.getLogger(talkative).setLevel(logging.WARNING)
    logging.getLogger('parsl.executors.status_handling').setLevel(logging.INFO)  # blocks that come and go
