"""Puts the parts of a campaign together, runs it, and takes everything down again."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from scoutbee.agents.thinker import Thinker
from scoutbee.analysis.inputs import ReportInputs, write_inputs
from scoutbee.analysis.live.terminal import TerminalView
from scoutbee.analysis.live.terminal_text import is_told
from scoutbee.contracts.campaign import INFER, KINDS, TRAIN, Campaign
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.policy import Policy
from scoutbee.fabric.address import RedisAddress
from scoutbee.fabric.depots import RunDepot, make_depot
from scoutbee.fabric.engines import Engine, make_engine
from scoutbee.fabric.errors import QueuesLostError
from scoutbee.fabric.methods import task_functions
from scoutbee.fabric.processes import collect_rarely
from scoutbee.fabric.queues import SecureRedisQueues
from scoutbee.fabric.reach import with_address
from scoutbee.fabric.redis_environment import forget_password
from scoutbee.fabric.redis_server import EmbeddedRedis
from scoutbee.fabric.server_process import ServerProcess
from scoutbee.fabric.sites import Site
from scoutbee.fabric.stores import Places, TopicStore
from scoutbee.traces.errors import TraceError
from scoutbee.traces.replay import replay
from scoutbee.traces.writer import TraceWriter

from .building import build_campaign, cache_directory, preloads
from .ending import End, conclude, reference_values
from .exit_status import BAD_INPUT, ENDED_EARLY
from .interrupts import Interrupts
from .leftovers import Leftovers, count_objects
from .placement import site_of
from .run_directory import RunDirectory
from .settings import Settings
from .shelf import RunShelf
from .stages import Stages
from .walltime import TimeLimit
from .watch import Watch, interrupt

logger = logging.getLogger(__name__)


def run_campaign(settings: Settings, interrupts: Interrupts, server: ServerProcess) -> int:
    """Run a campaign to its end.

    Args:
        settings: The settings of the run, checked.
        interrupts: What tells it to stop.
        server: The process of its task server, which waits to be told what to serve.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: If something in the settings cannot be used; nothing was started then.
        KeyboardInterrupt: If it was interrupted before the campaign began; all that was started has been stopped.
    """
    stages = Stages()
    stages.done('imports')
    say = _say_nothing if settings.quiet else _say
    limit = TimeLimit.of_process(settings.max_hours)
    if limit is not None:
        say(limit.sentence)
    site = with_address(site_of(settings))
    workers = {kind: site.workers(kind) for kind in KINDS}
    shared = site.executor_for(TRAIN)[0] == site.executor_for(INFER)[0]
    policy = settings.policy_for(workers, share_learners=shared)
    external = _external_redis(settings)
    campaign = build_campaign(settings, cache_directory(), say)
    stages.done('campaign')
    if settings.resume is not None:
        directory = RunDirectory.reopen(settings.resume, settings, sys.argv[1:], say)
    else:
        directory = RunDirectory.create(settings, sys.argv[1:])
    with directory:
        directory.log()
        for chatty in ('colmena', 'parsl', 'proxystore'):  # a line a task, which the trace has already
            logging.getLogger(chatty).setLevel(logging.WARNING)
        plan = _Plan(settings, site, workers, policy, campaign, directory, limit, external, server, stages)
        try:
            ended = _run(plan, say, interrupts)
            status = conclude(ended.end, interrupts)
        except (ConfigurationError, TraceError, QueuesLostError) as error:
            logger.exception('The campaign could not be concluded')
            with suppress(OSError):
                print(f'run.py: {error} What there is, is in {directory.path}', file=sys.stderr)
            return BAD_INPUT if isinstance(error, ConfigurationError) else ENDED_EARLY
    if not ended.with_agents:
        _leave(status)
    return status


@dataclass(frozen=True)
class _Plan:
    """What is known before anything is started."""

    settings: Settings
    site: Site
    workers: Mapping[str, int]
    policy: Policy
    campaign: Campaign
    directory: RunDirectory
    limit: TimeLimit | None
    redis: RedisAddress | None
    server: ServerProcess
    stages: Stages


@dataclass(frozen=True)
class _Ended:
    """How a campaign ended, and whether its agents ended with it."""

    end: End
    with_agents: bool


def _run(plan: _Plan, say: Callable[[str], None], interrupts: Interrupts) -> _Ended:
    started = time.monotonic()
    settings = plan.settings
    history = replay(plan.directory.path) if settings.resume is not None else None
    with ExitStack() as stack:
        leftovers = Leftovers(plan.directory.path)
        leftovers.clear_redis_data()
        stack.callback(leftovers.clear_redis_data)  # an interrupt may come at any moment of the server's start
        redis, address = stack.enter_context(_redis(plan, leftovers))
        external = address if redis is None else None
        leftovers.clear(external)
        plan.stages.done('Redis')
        traces = stack.enter_context(TraceWriter(plan.directory.path))
        places = leftovers.begin(
            address,
            is_ours=redis is not None,
            directory=settings.ps_file_dir,
            patience=settings.redis_patience,
            host=plan.site.address,
            globus_config=settings.ps_globus_config,
            endpoints=[str(endpoint) for endpoint in settings.ps_endpoints],
        )
        stack.callback(leftovers.clear, external)
        depot, queues = _fabric(plan, places, address, stack)
        engine = _engine(plan, queues, stack)
        shelf = RunShelf(plan.directory.path)
        # What is looked for, so that whoever reads the run while it goes, or after a crash, need not guess.
        looked_for = ReportInputs.of(plan.campaign.objective, reference_values(plan.campaign))
        write_inputs(plan.directory.path, looked_for)
        thinker = Thinker(queues, plan.campaign, _within(plan), traces, depot, shelf)
        if history is not None:
            thinker.resume(history)
        view = TerminalView(thinker.progress, plan.campaign.objective, settings.campaign, quiet=settings.quiet)
        traces.listener = lambda record: view.event(record.message, record.level) if is_told(record.event) else None
        if plan.limit is not None:
            traces.event('driver', 'time_limit', plan.limit.sentence, hours=plan.limit.hours_left())
        say(f'The run directory is {plan.directory.path}')
        plan.stages.done('stores and agents')
        logger.info('Ready to set out after %s', plan.stages)
        interrupts.tell(lambda: interrupt(thinker))
        with view:
            collect_rarely()
            thinker.start()
            with_agents = Watch(thinker, engine, queues, redis, interrupts).until_the_end()
        interrupts.hold()
        engine.stop()
        proxies = count_objects(depot, queues, agents_ended=with_agents)
        before = 0.0 if history is None else history.seconds
        return _Ended(_end(plan, thinker, proxies, before + time.monotonic() - started), with_agents)
    raise AssertionError('unreachable')


def _within(plan: _Plan) -> Policy:
    """The policy, with the time that is left to this process from here on."""
    if plan.limit is None:
        return plan.policy
    return plan.policy.model_copy(update={'max_hours': plan.limit.hours_left()})


def _engine(plan: _Plan, queues: SecureRedisQueues, stack: ExitStack) -> Engine:
    """The task server, started; it warms up its workers while the rest is made ready."""
    engine = make_engine(
        plan.site,
        None,
        task_functions(plan.campaign.tasks()),
        queues,
        plan.directory.path,
        preloads(plan.settings),
        deadlines=plan.policy.deadlines.model_dump(exclude_none=True),
        process=plan.server,
    )
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
        wall_seconds=seconds,
        proxies=proxies,
    )


def _external_redis(settings: Settings) -> RedisAddress | None:
    """The Redis server that the settings name, seen to; None where they name none.

    Its password leaves the environment, which everything that is started from here on inherits.
    """
    address = None
    if settings.redishost is not None:
        address = RedisAddress.from_environment(settings.redishost, settings.redisport)
        address.check()
    forget_password()
    return address


@contextmanager
def _redis(plan: _Plan, leftovers: Leftovers) -> Iterator[tuple[EmbeddedRedis | None, RedisAddress]]:
    """The campaign's Redis server: one of its own that ends with it, or (None) the one given; and where it is."""
    if plan.redis is not None:
        _hide_password(plan, plan.redis)
        yield None, plan.redis
        return
    # Workers have nothing to do with the queues: without stores there, nobody elsewhere needs to reach it.
    host = plan.site.address if 'redis' in plan.settings.backends().values() else None
    with EmbeddedRedis(leftovers.redis_directory, host=host) as server:
        _hide_password(plan, server.address)
        yield server, server.address


def _hide_password(plan: _Plan, address: RedisAddress) -> None:
    if address.password:
        plan.directory.hide(address.password)


def _fabric(plan: _Plan, places: Places, address: RedisAddress, stack: ExitStack) -> tuple[RunDepot, SecureRedisQueues]:
    """The stores of large objects, and the queues of tasks."""
    settings = plan.settings
    thresholds = settings.thresholds()
    topics = {topic: TopicStore(backend, thresholds[topic]) for topic, backend in settings.backends().items()}
    depot = make_depot(places, topics)
    stack.callback(depot.close)
    for secret in depot.secrets:
        plan.directory.hide(secret)
    queues = SecureRedisQueues(
        address,
        KINDS,
        prefix=places.run,
        stores=depot.stores,
        thresholds=depot.thresholds,
        patience=settings.redis_patience,
    )
    stack.callback(queues.disconnect)
    return depot, queues


def _leave(status: int) -> None:
    """End this process without its agents, one of which is held up; Python would wait for it."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _say(sentence: str) -> None:
    with suppress(OSError):  # a campaign does not end because nobody reads
        print(sentence, flush=True)


def _say_nothing(sentence: str) -> None:
    """Quiet."""
