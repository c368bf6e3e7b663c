"""Puts the parts of a campaign together, runs it, and takes everything down again."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from scoutbee.agents.thinker import Thinker
from scoutbee.contracts.campaign import INFER, KINDS, TRAIN, Campaign
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.policy import Policy
from scoutbee.fabric.address import RedisAddress
from scoutbee.fabric.depots import RunDepot, make_depot, new_run_name
from scoutbee.fabric.engines import Engine, make_engine
from scoutbee.fabric.errors import EngineError, QueuesLostError
from scoutbee.fabric.methods import task_functions
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.sites import Site, load_site
from scoutbee.fabric.stores import Places, TopicStore
from scoutbee.traces.errors import TraceError
from scoutbee.traces.replay import History, replay
from scoutbee.traces.writer import TraceWriter

from .building import build_campaign, preloads
from .ending import End, conclude
from .exit_status import BAD_INPUT, ENDED_EARLY
from .run_directory import RunDirectory
from .settings import Settings
from .shelf import ModelFolder
from .terminal import TerminalView

logger = logging.getLogger(__name__)

RESTARTS = 3
"""How often a task server that dies is started again before the campaign ends."""

_LOOK = 0.25


def run_campaign(settings: Settings) -> int:
    """Run a campaign to its end.

    Args:
        settings: The settings of the run, checked.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: If something in the settings cannot be used; nothing was started then.
    """
    say = _say_nothing if settings.quiet else _say
    site = site_of(settings)
    workers = {kind: site.workers(kind) for kind in KINDS}
    shared = site.executor_for(TRAIN)[0] == site.executor_for(INFER)[0]
    policy = settings.policy_for(workers, share_learners=shared)
    if settings.redishost is not None:
        RedisAddress.from_environment(settings.redishost, settings.redisport).check()
    campaign = build_campaign(settings, cache_directory(), say)
    if settings.resume is not None:
        directory = RunDirectory.reopen(settings.resume, sys.argv[1:])
    else:
        directory = RunDirectory.create(settings, sys.argv[1:])
    with directory:
        directory.log()
        for chatty in ('colmena', 'parsl', 'proxystore'):  # a line a task, which the trace has already
            logging.getLogger(chatty).setLevel(logging.WARNING)
        try:
            history = replay(directory.path) if settings.resume is not None else None
            plan = _Plan(settings, site, workers, policy, campaign, directory, history)
            return conclude(_run(plan, say))
        except (ConfigurationError, TraceError, QueuesLostError) as error:
            logger.exception('The campaign could not be concluded')
            print(f'run.py: {error} What there is, is in {directory.path}', file=sys.stderr)
            return BAD_INPUT if isinstance(error, ConfigurationError) else ENDED_EARLY


@dataclass(frozen=True)
class _Plan:
    """What is known before anything is started."""

    settings: Settings
    site: Site
    workers: Mapping[str, int]
    policy: Policy
    campaign: Campaign
    directory: RunDirectory
    history: History | None


def site_of(settings: Settings) -> Site:
    """The site of the settings, with the engine and the number of simulation workers they ask for.

    Raises:
        ConfigurationError: If there is no such site, or this version cannot run its engine.
    """
    site = load_site(settings.site)
    engine = settings.engine_for(site.engine)
    if engine == 'globus':
        raise ConfigurationError(
            '--engine: expected parsl or local, got globus (two endpoints given mean globus); this version cannot '
            'run tasks through Globus Compute yet.'
        )
    changes: dict[str, object] = {'engine': engine}
    if settings.num_qc_workers is not None:
        name, executor = site.executor_for('simulate')
        resized = executor.model_copy(update={'workers': settings.num_qc_workers})
        changes['executors'] = {**site.executors, name: resized}
    return site.model_copy(update=changes)


def cache_directory() -> Path:
    """Where what is slow to compute is kept from run to run."""
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'scoutbee'


def _run(plan: _Plan, say: Callable[[str], None]) -> End:
    started = time.monotonic()
    with ExitStack() as stack:
        address = stack.enter_context(_redis(plan))
        traces = stack.enter_context(TraceWriter(plan.directory.path))
        depot, queues = _fabric(plan, address, stack)
        engine = _engine(plan, queues, stack)
        shelf = ModelFolder(plan.directory.path)
        thinker = Thinker(queues, plan.campaign, plan.policy, traces, depot, shelf)
        if plan.history is not None:
            thinker.resume(plan.history, shelf.load(plan.history.models))
        view = TerminalView(
            thinker.progress, plan.campaign.objective, plan.settings.campaign, quiet=plan.settings.quiet
        )
        traces.listener = lambda record: view.event(record.message, record.level) if _is_told(record) else None
        say(f'The run directory is {plan.directory.path}')
        with view, _interrupts(thinker):
            thinker.start()
            _watch(thinker, engine)
        engine.stop()
        queues.discard_results()
        proxies = {
            'created': depot.created + queues.fetched,
            'evicted': depot.evicted + queues.fetched,
            'leaked': _leaked(depot),
        }
        return _end(plan, thinker, proxies, time.monotonic() - started)
    raise AssertionError('unreachable')


def _engine(plan: _Plan, queues: SecureRedisQueues, stack: ExitStack) -> Engine:
    """The task server, started; it warms up its workers while the rest is made ready."""
    functions = task_functions(plan.campaign.tasks())
    engine = make_engine(plan.site, None, functions, queues, plan.directory.path, preloads(plan.settings))
    stack.callback(engine.stop)
    engine.start()
    return engine


def _end(plan: _Plan, thinker: Thinker, proxies: Mapping[str, int], seconds: float) -> End:
    assert thinker.outcome is not None
    return End(
        settings=plan.settings,
        site=plan.site.name,
        workers=plan.workers,
        campaign=plan.campaign,
        run_dir=plan.directory.path,
        status=thinker.outcome.status,
        reason=thinker.outcome.reason,
        wall_seconds=seconds + _before(plan.history),
        proxies=proxies,
    )


def _leaked(depot: RunDepot) -> int:
    """Objects left in the stores; where these are gone, those that were not taken back."""
    try:
        return depot.leaked()
    except QueuesLostError:
        return depot.created - depot.evicted


def _before(history: History | None) -> float:
    """Seconds that a resumed campaign ran before."""
    if history is None or history.started is None or history.ended is None:
        return 0.0
    return history.ended - history.started


@contextmanager
def _redis(plan: _Plan) -> Iterator[RedisAddress]:
    """The campaign's Redis server: the one given, or one of its own that ends with it."""
    settings = plan.settings
    if settings.redishost is not None:
        yield RedisAddress.from_environment(settings.redishost, settings.redisport)
        return
    with EmbeddedRedis() as server:
        if server.address.password:
            plan.directory.hide(server.address.password)
        yield server.address


def _fabric(plan: _Plan, address: RedisAddress, stack: ExitStack) -> tuple[RunDepot, SecureRedisQueues]:
    """The stores of large objects, and the queues of tasks."""
    settings = plan.settings
    thresholds = settings.thresholds()
    chunks = len(plan.campaign.chunks())
    topics: dict[str, TopicStore] = {
        # A worker keeps what it will be sent again: the chunks, and the models of one generation.
        topic: TopicStore(backend, thresholds[topic], cache_size=chunks + settings.model_count)
        for topic, backend in settings.backends().items()
    }
    places = Places(new_run_name(), address, settings.ps_file_dir or plan.directory.path / 'objects')
    depot = make_depot(places, topics)
    stack.callback(depot.close)
    queues = SecureRedisQueues(address, KINDS, stores=depot.stores, thresholds=depot.thresholds)
    stack.callback(queues.disconnect)
    return depot, queues


def _watch(thinker: Thinker, engine: Engine) -> None:
    """Wait for the end of the campaign; start the task server again if it dies."""
    restarts = 0
    while thinker.is_alive():
        thinker.join(_LOOK)
        if engine.alive() or not thinker.is_alive():
            continue
        restarts += 1
        tail = engine.log_tail()
        logger.error('The task server died. Its log ends:\n%s', tail)
        if restarts > RESTARTS:
            thinker.fail(f'The task server died {restarts} times; its log is {engine.log_file}.')
            continue
        thinker.traces.event(
            'driver', 'task_server_died', 'The task server died and is started again.', level='error', log=tail
        )
        try:
            engine.start()
        except EngineError as error:
            thinker.fail(str(error))


@contextmanager
def _interrupts(thinker: Thinker) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the campaign in order: once to drain, twice at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        # In a thread, because the signal may come while this one holds a lock that an interrupt needs.
        threading.Thread(target=thinker.interrupt, name='interrupt', daemon=True).start()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _is_told(record: object) -> bool:
    """Whether an event is worth a line on the terminal."""
    event = getattr(record, 'event', '')
    return event not in {'submitted', 'resubmitted', 'refilled', 'started', 'ended'}


def _say(sentence: str) -> None:
    with suppress(OSError):  # a campaign does not end because nobody reads
        print(sentence, flush=True)


def _say_nothing(sentence: str) -> None:
    """Quiet."""
