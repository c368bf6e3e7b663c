"""Which question comes next: the models that lack a chunk are asked about it together."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from scoutbee.contracts.learning import ModelVersion
from scoutbee.traces.history import Tries, Work

from .learning import Question


class Agenda:
    """Picks questions so that the predictions of a model are complete as soon as can be, and chunks are moved seldom.

    * The model that lacks least is served first, and all others of its generation that lack the same chunk are asked
      with it. So a model that becomes ready while others are asked joins them from the next chunk on, and what it
      missed is made up afterwards, with whoever missed it too.
    * Of the chunks it lacks, the one asked about last comes first: workers are likeliest to hold that one still. Who
      makes something up thus goes back the way the others came.
    * What failed for several models together is asked of each alone, before anything else: until the one at fault is
      found, every question to it may fail.
    """

    def __init__(self, losses: int) -> None:
        """Args: losses: After so many lost attempts a model is asked alone, as after one that failed."""
        self._losses = losses
        self._asked: dict[int, int] = {}

    def next(self, lacking: Mapping[ModelVersion, AbstractSet[int]], tries: Mapping[Work, Tries]) -> Question | None:
        """The next question, or None if there is none.

        Args:
            lacking: Chunks that each model is still to be asked about.
            tries: What came to nothing before, of a model and a chunk.
        """
        alone = [
            (version, chunk)
            for (version, chunk), before in tries.items()
            if chunk is not None and chunk in lacking.get(version, ()) and self._is_asked_alone(before)
        ]
        versions: tuple[ModelVersion, ...]
        if alone:
            version, chunk = alone[0]
            versions = (version,)
        else:
            ready = [version for version, chunks in lacking.items() if chunks]
            if not ready:
                return None
            version = min(ready, key=lambda version: (len(lacking[version]), version))
            chunk = min(lacking[version], key=lambda chunk: (-self._asked.get(chunk, 0), chunk))
            versions = tuple(
                sorted(other for other in ready if other.generation == version.generation and chunk in lacking[other])
            )
        self._asked[chunk] = 1 + max(self._asked.values(), default=0)
        attempt = 1 + max(tries.get((version, chunk), Tries()).attempt for version in versions)
        return Question(version.generation, tuple(version.member for version in versions), chunk, attempt)

    def _is_asked_alone(self, before: Tries) -> bool:
        return before.failures > 0 or before.losses >= self._losses
