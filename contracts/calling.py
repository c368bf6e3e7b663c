"""How a worker calls a campaign's functions with what the agents send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .campaign import INFER, KINDS, SIMULATE, TRAIN


@dataclass(frozen=True)
class TaskFunction:
    """A campaign's function together with the convention by which the agents call it.

    The agents send few objects, so that each can be one proxy: ``(args,)`` to simulate, ``(data, args)`` to train and
    ``(artifact, chunk)`` to infer. The campaign's functions take ``*args``, ``data, *args`` and ``artifact, chunk``.

    Attributes:
        kind: ``simulate``, ``train`` or ``infer``.
        function: The campaign's function for it; importable on the worker.
    """

    kind: str
    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'Expected a kind of task out of {", ".join(KINDS)}, got {self.kind!r}.')

    def __call__(self, *inputs: Any) -> Any:
        """Call the function on what was sent."""
        if self.kind == SIMULATE:
            (args,) = inputs
            return self.function(*args)
        if self.kind == TRAIN:
            data, args = inputs
            return self.function(data, *args)
        assert self.kind == INFER
        return self.function(*inputs)
