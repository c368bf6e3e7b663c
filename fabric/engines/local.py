"""The quick engine for small jobs and tests: worker processes on this machine, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from colmena.models import Result

from ..queues import SecureRedisQueues
from ..worker_pool import WorkerPool
from ..workers import WorkerSettings
from .base import ServerPlan
from .server import ReportingServer


class LocalTaskServer(ReportingServer):
    """Runs tasks in pools of worker processes, one pool for each executor of the site.

    What waits for a worker can be called back.
    """

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
        return self._pools[self._routes[str(task.method)]].submit(str(task.method), task)

    def _cleanup(self) -> None:
        super()._cleanup()
        for pool in self._pools.values():
            pool.close()


def make_server(plan: ServerPlan) -> LocalTaskServer:
    """The task server of a plan."""
    routes = plan.routes()
    executors = {name: plan.site.executors[name] for name in set(routes.values())}
    pools = {name: (each.worker_count(), plan.workers(name, each.env)) for name, each in executors.items()}
    return LocalTaskServer(plan.queues, pools, routes)
