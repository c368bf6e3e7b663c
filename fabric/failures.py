"""Failed tasks, told in the words of ``contracts.errors``."""

from __future__ import annotations

import re
import traceback
from concurrent.futures import BrokenExecutor, CancelledError

from colmena.models import FailureInformation, Result

from scoutbee.contracts.errors import FailureKind, TaskError

from .errors import CalledBackError, DeadlineError, EngineLostError, WorkerLostError, WorkerStoppedError

FAILURE = 'failure'
"""Where a result keeps its failure: ``result.task_info[FAILURE]``, the fields of ``contracts.errors.Failure``."""

_LONGEST_MESSAGE = 2000
_LONGEST_TRACEBACK = 20000

_LOST_NAMES = frozenset(
    {
        # Parsl's, by name, so that only a process that runs Parsl imports it.
        'ManagerLost',
        'BadStateException',
        'TooManyJobFailuresError',
        'CommandClientTimeoutError',
        'CommandClientBadError',
        'InterchangeLost',
        'ScalingFailed',
        'DependencyError',
        'VersionMismatch',
    }
)

_REMOTE = 'TaskExecutionFailed'
"""What Globus Compute's SDK raises for whatever an endpoint reports, as text."""

_PARSL_ERROR = re.compile(r'\bparsl\.[\w.]+\.(\w+):')


def kind_of(error: BaseException) -> FailureKind:
    """What would help against an error that a task raised.

    Errors that their author classed say so themselves. Being out of memory or meeting an error of the operating
    system (no space, no such library) is the machine's doing, not the task's. Anything else may be chance.
    """
    if isinstance(error, TaskError):
        return error.kind
    if isinstance(error, (MemoryError, OSError)):
        return FailureKind.RESOURCE
    return FailureKind.RANDOM


def engine_kind_of(error: BaseException) -> FailureKind:
    """What would help against an error that an engine reports for a task.

    A task under which its own worker died is under suspicion (killed); one that went down with others, or whose worker
    was told to end, is not (lost), nor is one whose worker could not be started.
    """
    names = _names(error)
    if is_lost_worker(error):
        return FailureKind.KILLED
    if isinstance(error, DeadlineError):
        return FailureKind.DEADLINE
    if isinstance(error, CalledBackError):
        return FailureKind.CANCELLED
    if isinstance(error, (EngineLostError, WorkerStoppedError, BrokenExecutor, CancelledError)) or names & _LOST_NAMES:
        return FailureKind.LOST
    return kind_of(error)


def is_lost_worker(error: BaseException) -> bool:
    """Whether an error says that a worker died under what it ran: one of ours, or one of Parsl's."""
    return isinstance(error, WorkerLostError) or 'WorkerLost' in _names(error)


def _names(error: BaseException) -> set[str]:
    """Names of an error's classes; for one of an endpoint, those of the errors of its Parsl that its text tells."""
    names = {base.__name__ for base in type(error).__mro__}
    if _REMOTE in names:
        names.update(_PARSL_ERROR.findall(str(getattr(error, 'remote_data', ''))))
    return names


def mark_failed(result: Result, error: BaseException, kind: FailureKind) -> None:
    """Turn a result into a failed one that says why."""
    # Formatted first: ``str`` of a foreign exception may itself raise.
    message = _text(error)
    trace = _sayable(''.join(traceback.format_exception(type(error), error, error.__traceback__)))[-_LONGEST_TRACEBACK:]
    result.success = False
    result.complete = True
    result.failure_info = FailureInformation(exception=f'{type(error).__name__}({message!r})', traceback=trace)
    result.task_info = {
        **(result.task_info or {}),
        FAILURE: {'kind': kind.value, 'error': type(error).__name__, 'message': message, 'traceback': trace},
    }


def failure_kind(result: Result) -> FailureKind | None:
    """The class of a failed result; None for one that succeeded, or that nobody classed."""
    told = None if result.success else (result.task_info or {}).get(FAILURE)
    return None if told is None else FailureKind(told['kind'])


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = '(its message cannot be shown)'
    return _sayable(' '.join(text.split()))[:_LONGEST_MESSAGE] or type(error).__name__


def _sayable(text: str) -> str:
    """Text that JSON can hold: half a surrogate pair would make the whole result unreadable."""
    return text.encode(errors='replace').decode()
