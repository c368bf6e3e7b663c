"""What a worker keeps of the objects that its tasks were sent, for those that come later."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class ObjectCache:
    """Keeps the objects used last, up to so many bytes. One too large for that is not kept at all.

    It counts an object's size in the store; in memory it may take more. Pickled, it is as empty as a new one.
    """

    def __init__(self, limit: int) -> None:
        """Args: limit: Bytes that all objects together may have."""
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._size = 0

    def __reduce__(self) -> tuple[type[ObjectCache], tuple[int]]:
        return ObjectCache, (self._limit,)

    def get(self, key: Hashable, default: Any = None) -> Any:
        """An object that was kept, or the default."""
        with self._lock:
            if key not in self._kept:
                return default
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, key: Hashable, obj: Any, size: int) -> None:
        """Keep an object, and let go of those not used for longest to make room for it."""
        if size > self._limit:
            return
        with self._lock:
            self._size -= self._kept.pop(key, (None, 0))[1]
            self._kept[key] = (obj, size)
            self._size += size
            while self._size > self._limit:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._size -= oldest
