"""The quick engine for small jobs and tests: worker processes on this machine, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from colmena.models import Result

from ..methods import TaskMethod
from ..queues import SecureRedisQueues
from .base import ServerPlan
from .server import ReportingServer
from .workers import WorkerPool, WorkerSettings


class LocalTaskServer(ReportingServer):
    """Runs tasks in pools of worker processes, one pool for each executor of the site."""

    def __init__(
        self, queues: SecureRedisQueues, pools: Mapping[str, tuple[int, WorkerSettings]], routes: Mapping[str, str]
    ) -> None:
        """Prepare the pools; ``_setup`` starts them.

        Args:
            queues: Where tasks come from and results go.
            pools: How many workers each pool has and how they are started.
            routes: Name of the pool that runs each method.
        """
        super().__init__(queues, routes.keys())
        self._plans = dict(pools)
        self._routes = dict(routes)
        self._pools: dict[str, WorkerPool] = {}

    def _setup(self) -> None:
        self._pools = {name: WorkerPool(name, *plan) for name, plan in self._plans.items()}

    def _submit(self, task: Result, topic: str) -> Future[Any]:
        task.mark_start_task_submission()
        return self._pools[self._routes[task.method]].submit(task.method, task)

    def _cleanup(self) -> None:
        for pool in self._pools.values():
            pool.close()


def make_server(plan: ServerPlan) -> LocalTaskServer:
    """The task server of a plan."""
    routes = {kind: plan.site.executor_for(kind)[0] for kind in plan.methods}
    pools = {}
    for name in set(routes.values()):
        settings = plan.site.executors[name]
        methods = {kind: TaskMethod(kind, plan.methods[kind]) for kind, route in routes.items() if route == name}
        pools[name] = (settings.worker_count(), WorkerSettings(methods, settings.env, plan.modules(name)))
    return LocalTaskServer(plan.queues, pools, routes)
