"""One Globus Compute endpoint: tasks wait until it has shown that it can run them, and are lost with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any

from globus_compute_sdk.errors import TaskExecutionFailed

from scoutbee.contracts.errors import FailureKind

from ..errors import EngineLostError, EngineRefusedError
from ..failures import engine_kind_of
from ..payloads import LIMIT_BYTES, carried_bytes
from ..probe import INSTALL, Verdict, compare, report
from .globus_calls import Call, Patience, Place, Service
from .globus_client import describe, refusal

logger = logging.getLogger(__name__)

_BATCH = 128
_REQUESTS, _WINDOW_SECONDS = 16, 10
"""The service takes 20 requests in 10 seconds from a client; some are for looking after the endpoints."""

_PROBES = 3
"""So many probes of an endpoint that never answered may fail before it is given up."""


class Endpoint:
    """Sends calls to one endpoint, through an executor of the SDK that is made anew when it has stopped.

    Its gate is closed at first, and whenever the endpoint is offline or a request has failed; calls then wait here,
    where they can be called back. A probe that comes back with fitting versions opens it.

    Calls are made from the task server's thread, answers come in the SDK's threads, and ``look`` is called from one
    more. No answer is set while the lock is held.
    """

    def __init__(self, place: Place, service: Service, patience: Patience) -> None:
        """Know an endpoint; nothing is asked of it yet.

        Args:
            place: Which it is.
            service: How it is reached.
            patience: How closely to watch it.
        """
        self.title = f'endpoint {place.endpoint_id} ({place.executors})'
        self.refusal: EngineRefusedError | None = None
        self._id = place.endpoint_id
        self._warming = place.warming
        self._service = service
        self._patience = patience
        self._lock = threading.Lock()
        self._executor: Any = None
        self._retired: list[Any] = []
        self._largest = 1
        self._is_open = False
        self._was_open = False
        self._failed_probes = 0
        self._waiting: list[Call] = []
        self._out: set[Call] = set()
        self._probed_at: float | None = None
        self._offline_since: float | None = None

    def check(self) -> None:
        """See that it is there and online.

        Raises:
            EngineRefusedError: If it is not, or is not for this user.
            NetworkError: If the service cannot be reached.
        """
        if not self._is_online():
            raise EngineRefusedError(f'{self._where()} is offline. {self._how_to_start()}')

    def submit(self, call: Call) -> Future[Any]:
        """Make a call, or have it wait until the endpoint takes tasks; returns its answer."""
        with self._lock:
            if not self._is_open:
                self._waiting.append(call)
                return call.answer
        self._send(call)
        return call.answer

    def look(self) -> None:
        """See how it is, and do what is due. Trouble with the service itself is told in the log and waited out."""
        try:
            self._close_retired()
            if self._is_online():
                self._note_return()
                self._probe_if_due()
            else:
                self._wait_for_it()
        except EngineRefusedError as error:
            self.refusal = error
        except Exception as error:
            logger.warning('%s cannot be looked after: %s', self.title, describe(error))

    def close(self) -> None:
        """Stop sending. What the endpoint has been given runs on there, because the service calls nothing back."""
        with self._lock:
            self._is_open = False
            self._retire(self._executor)
        self._close_retired()

    # -- watching -----------------------------------------------------------------------------------------------

    def _is_online(self) -> bool:
        try:
            return bool(self._service.client.get_endpoint_status(self._id)['status'] == 'online')
        except Exception as error:
            raise refusal(error, self._where()) or error from None

    def _wait_for_it(self) -> None:
        now = time.monotonic()
        if self._offline_since is None:
            self._offline_since = now
            logger.warning('%s is offline; tasks for it wait.', self.title)
        with self._lock:
            self._is_open = False
        if now - self._offline_since >= self._patience.offline:
            self._lose(now - self._offline_since)

    def _note_return(self) -> None:
        """It is online. Where it was not, nobody knows whether it still has what it had; it is sent again."""
        since = self._offline_since
        if since is not None:
            self._lose(time.monotonic() - since)
            self._offline_since = None

    def _lose(self, seconds: float) -> None:
        lost = self._take_out()
        if lost:
            logger.warning('%s was offline for %.0f s; %d calls are lost.', self.title, seconds, len(lost))
        for call in lost:
            call.answer.set_exception(
                EngineLostError(f'{self._where()} was offline for {seconds:.0f} s, and the task is lost with it.')
            )

    def _probe_if_due(self) -> None:
        now = time.monotonic()
        with self._lock:
            recent = self._probed_at is not None and now - self._probed_at < self._patience.probe
            if self._is_open or recent:
                return
            self._probed_at = now
        logger.info('%s is asked which versions it has', self.title)
        probe = Call(self._service.probe)
        probe.answer.add_done_callback(self._probed)
        self._send(probe)

    def _probed(self, answer: Future[dict[str, str]]) -> None:
        error = CancelledError() if answer.cancelled() else answer.exception()
        verdict = compare(report(), answer.result()) if error is None else Verdict(None)
        with self._lock:
            self._probed_at = None
            self._failed_probes += error is not None and self._offline_since is None
            is_hopeless = not self._was_open and self._failed_probes >= _PROBES
        if verdict.refusal is not None:
            self.refusal = EngineRefusedError(f'{self._where()} cannot run tasks: {verdict.refusal}')
        elif error is None:
            for warning in verdict.warnings:
                logger.warning('%s: %s', self.title, warning)
            self._open_gate()
        elif engine_kind_of(error) not in (FailureKind.LOST, FailureKind.KILLED):
            self.refusal = EngineRefusedError(f'{self._where()} cannot run tasks: {_reason(error)}')
        elif is_hopeless:
            self.refusal = EngineRefusedError(f'{self._where()} gives no answer: {describe(error)}')
        else:
            logger.warning('%s: %s', self.title, describe(error))

    # -- the gate -----------------------------------------------------------------------------------------------

    def _open_gate(self) -> None:
        warming = [Call(function, arguments) for function, arguments, count in self._warming for _ in range(count)]
        for call in warming:
            call.answer.add_done_callback(partial(_log_warmth, self.title))
        with self._lock:
            self._is_open = self._was_open = True
            waiting, self._waiting = self._waiting, []
        logger.info('%s takes tasks; %d have waited for it', self.title, len(waiting))
        for call in (*warming, *waiting):
            self._send(call)

    def _retire(self, executor: Any) -> None:
        """Do without an executor: one that has met an error takes no more. Called with the lock held."""
        if executor is not None and self._executor is executor:
            self._executor = None
            self._retired.append(executor)

    def _close_retired(self) -> None:
        """Not in a callback of the SDK, which may hold a lock that this needs."""
        with self._lock:
            retired, self._retired = self._retired, []
        for executor in retired:
            executor.shutdown(wait=False, cancel_futures=True)

    # -- calls --------------------------------------------------------------------------------------------------

    def _send(self, call: Call) -> None:
        if not call.answer.set_running_or_notify_cancel():
            return
        executor = None
        try:
            with self._lock:
                self._out.add(call)
                executor = self._fitting_executor(call.size)
            future = executor.submit_to_registered_function(call.function, args=call.arguments)
        except Exception as error:  # such as that it stopped in this moment
            self._fail(call, executor, error)
            return
        future.add_done_callback(partial(self._came, call, executor))

    def _fitting_executor(self, size: int) -> Any:
        """The executor, whose batches are so small that a request with tasks of this size is not too large."""
        if self._executor is None:
            self._executor = self._service.sdk.executor(
                endpoint_id=self._id,
                client=self._service.client,
                label=self.title,
                api_burst_limit=max(1, int(_REQUESTS * self._service.share)),
                api_burst_window_s=_WINDOW_SECONDS,
            )
        self._largest = max(self._largest, carried_bytes(size))
        self._executor.batch_size = max(1, min(_BATCH, LIMIT_BYTES // self._largest))
        return self._executor

    def _came(self, call: Call, executor: Any, future: Future[Any]) -> None:
        error = CancelledError('The SDK stopped sending.') if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, TaskExecutionFailed):
            self._fail(call, executor, error)
        elif self._is_out(call):
            if error is None:
                call.answer.set_result(future.result())
            else:
                call.answer.set_exception(error)

    def _fail(self, call: Call, executor: Any, error: BaseException) -> None:
        """The service, or the way to it, failed a call; whether the endpoint got it, nobody knows."""
        with self._lock:
            self._is_open = False
            self._retire(executor)
        if isinstance(error, EngineRefusedError):
            self.refusal = error
        elif getattr(error, 'http_status', None) in (401, 403):
            self.refusal = refusal(error, self._where())
        if self._is_out(call):
            call.answer.set_exception(EngineLostError(f'A task for {self.title} went astray: {describe(error)}.'))

    def _is_out(self, call: Call) -> bool:
        """Whether a call was still waited for; it is not any more."""
        with self._lock:
            was_out = call in self._out
            self._out.discard(call)
        return was_out

    def _take_out(self) -> Sequence[Call]:
        with self._lock:
            calls, self._out = list(self._out), set()
        return calls

    # -- words --------------------------------------------------------------------------------------------------

    def _where(self) -> str:
        return f'The Globus Compute {self.title}'

    def _how_to_start(self) -> str:
        try:
            told = self._service.client.get_endpoint_metadata(self._id)
            name, host = told['name'], told['hostname']
        except Exception:  # not everybody who may use an endpoint may know this
            return 'Start it on its machine with `globus-compute-endpoint start`.'
        return f'Start it on {host} with `globus-compute-endpoint start {name}`.'


def _reason(error: BaseException) -> str:
    """Why a probe failed at the endpoint."""
    if not isinstance(error, TaskExecutionFailed):
        return f'{describe(error)}.'
    text = error.remote_data.strip(' -+\n')
    last = text.splitlines()[-1].strip() if text else 'it does not say why'
    if "No module named 'scoutbee" in text:
        return f'Scoutbee is not installed for its workers, or is an older one ({last}). To mend that, {INSTALL}.'
    return f'a first task failed there: {last}. Its Python must be that of the driver; {INSTALL}.'


def _log_warmth(title: str, answer: Future[Any]) -> None:
    error = CancelledError() if answer.cancelled() else answer.exception()
    if error is not None:
        logger.warning('A worker of %s could not be warmed up: %s', title, describe(error))
        return
    seconds = ', '.join(f'{module} {spent:.1f} s' for module, spent in answer.result().items())
    logger.info('A worker of %s is warm: %s', title, seconds)
