"""Errors, sorted by what helps against them.

Every task that fails says which class its failure belongs to, because that alone decides what happens next:
an *input* error is never retried, a *random* one is retried as it was, a *convergence* one is retried with other
settings where the campaign has any, a *resource* one is retried on another worker, and so, less often, is one that
was killed because it ran past its *deadline*. An *unreachable* one (its worker does not get at what the task was lent,
or cannot leave what it returned) is retried likewise, but where none gets through it is the site that needs mending.
A *lost* task (what ran it is gone) is resubmitted without counting as a failure of the candidate; so is a *killed* one
(its worker died while it ran this very task), but a candidate that takes down workers again and again is the suspect,
and is quarantined. A *cancelled* task was called back before it began: it is as if it had never been sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FailureKind(str, Enum):
    """What would help against a failure."""

    INPUT = 'input'
    RANDOM = 'random'
    CONVERGENCE = 'convergence'
    RESOURCE = 'resource'
    UNREACHABLE = 'unreachable'
    LOST = 'lost'
    KILLED = 'killed'
    DEADLINE = 'deadline'
    CANCELLED = 'cancelled'


class ScoutbeeError(Exception):
    """Base of every error Scoutbee raises on purpose. Its message is one readable sentence or two."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with their own __init__ do not survive pickling by default, and task errors cross processes.
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(cls: type[ScoutbeeError], args: tuple[object, ...], state: dict[str, object]) -> ScoutbeeError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(ScoutbeeError):
    """A flag, a setting or a file cannot be used. The message names it, what came, and what would do."""


class TaskError(ScoutbeeError):
    """A task failed in a way that its author foresaw."""

    kind: FailureKind = FailureKind.RANDOM


class InputTaskError(TaskError):
    """The input cannot be computed, now or ever."""

    kind = FailureKind.INPUT


class ConvergenceTaskError(TaskError):
    """An iteration did not reach its tolerance; other settings might."""

    kind = FailureKind.CONVERGENCE


class ResourceTaskError(TaskError):
    """The worker lacked something (memory, disk, a library) that another worker may have."""

    kind = FailureKind.RESOURCE


class UnreachableTaskError(TaskError):
    """The worker could not reach what keeps the large objects of its task."""

    kind = FailureKind.UNREACHABLE


@dataclass(frozen=True)
class Failure:
    """Why one attempt at a task failed.

    Attributes:
        kind: What would help.
        error: Name of the exception's class.
        message: The exception's message, one line.
        traceback: The worker's traceback, where there is one.
    """

    kind: FailureKind
    error: str
    message: str
    traceback: str | None = None
