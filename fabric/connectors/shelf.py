"""Objects in the memory of this process."""

from __future__ import annotations

from proxystore.serialize import BytesLike


class Shelf:
    """Objects by name. What comes in parts is an object once its last part is there.

    One thread writes parts; everything else may be done from any thread, because each change is to one entry of a
    dictionary, which Python makes at once or not at all.
    """

    def __init__(self) -> None:
        self._objects: dict[str, BytesLike] = {}
        self._halves: dict[str, bytearray] = {}

    def read(self, name: str) -> BytesLike | None:
        """The object of a name itself, which must not be changed; None if there is none."""
        return self._objects.get(name)

    def write(self, name: str, data: BytesLike) -> None:
        """Keep an object itself, without making a copy."""
        self._objects[name] = data

    def write_part(self, name: str, start: int, size: int, data: BytesLike) -> bool:
        """Keep a part of an object; a second time is harmless.

        Args:
            name: Name of the object.
            start: Place of the part in it. Parts come in order, and the first makes room for all.
            size: Bytes of the whole object.
            data: The part.

        Returns:
            Whether the parts before it are still there.
        """
        if start == 0 and name not in self._objects:
            self._halves[name] = bytearray(size)
        half = self._halves.get(name)
        if half is None:
            return name in self._objects
        half[start : start + len(data)] = data
        if start + len(data) == size:
            self._objects[name] = half
            self._halves.pop(name, None)
        return True

    def has(self, name: str) -> bool:
        """Whether there is an object of a name."""
        return name in self._objects

    def drop(self, name: str) -> None:
        """Forget an object; harmless if there is none."""
        self._objects.pop(name, None)
        self._halves.pop(name, None)

    def names(self) -> list[str]:
        """Names of all objects, halves that workers who died left among them."""
        return [*list(self._objects), *list(self._halves)]

    def clear(self) -> None:
        """Forget all objects."""
        self._objects.clear()
        self._halves.clear()
