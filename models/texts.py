"""Millions of short texts in two arrays: a string of Python costs twice the letters of a SMILES besides them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

_BLOCK = 16_384
"""Texts that are looked at together, so that what is computed on the way stays small."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""An odd number without pattern (2**64 by the golden ratio; D. Knuth, The Art of Computer Programming, vol. 3, 6.4)."""


class Texts(Sequence[str]):
    """Texts that do not change; each is made a string when it is asked for.

    Attributes:
        content: All of them as UTF-8, one after another; shape (bytes,), uint8.
        offsets: Where each begins, and the end; shape (texts + 1,), int64, from 0.
    """

    def __init__(self, content: bytes, sizes: NDArray[np.int64]) -> None:
        """Args: content: All texts as UTF-8, one after another; sizes: Bytes of each, shape (texts,)."""
        self.content: NDArray[np.uint8] = np.frombuffer(content, dtype=np.uint8)
        self.offsets: NDArray[np.int64] = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
        if self.offsets[-1] != len(content):
            raise ValueError(f'Expected texts of {self.offsets[-1]} bytes in all, got {len(content)}.')

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        """These texts; those that are ``Texts`` already are not copied."""
        if isinstance(texts, Texts):
            return texts
        encoded = [text.encode('utf-8', 'surrogatepass') for text in texts]
        return cls(b''.join(encoded), np.array([len(text) for text in encoded], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Texts: ...
    def __getitem__(self, index: int | slice) -> str | Texts:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        number = range(len(self))[index]
        return _decoded(self.content[self.offsets[number] : self.offsets[number + 1]].tobytes())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK):
            offsets = self.offsets[start : start + _BLOCK + 1]
            block = self.content[offsets[0] : offsets[-1]].tobytes()
            bounds = (offsets - offsets[0]).tolist()
            for begin, end in itertools.pairwise(bounds):
                yield _decoded(block[begin:end])

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """The texts in these rows, in this order; views of nothing."""
        starts, sizes = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        if len(rows) and (np.diff(rows) == 1).all():
            return Texts(self.content[starts[0] : starts[-1] + sizes[-1]].tobytes(), sizes)
        places = np.arange(int(sizes.sum())) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
        return Texts(self.content[places].tobytes(), sizes)

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """A number for each text, the same for the same text and hardly ever for another; shape (texts,)."""
        sizes = np.diff(self.offsets).astype(np.uint64)
        found: NDArray[np.uint64] = sizes * _MULTIPLIER
        weights = _powers(int(sizes.max(initial=np.uint64(0))))
        letters = np.random.default_rng(0).integers(0, 2**64, 256, dtype=np.uint64)
        for start in range(0, len(self), _BLOCK):
            offsets = self.offsets[start : start + _BLOCK + 1]
            places = np.arange(offsets[0], offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
            parts = letters[self.content[offsets[0] : offsets[-1]]] * weights[places]
            sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(parts)])
            bounds = offsets - offsets[0]
            found[start : start + _BLOCK] += sums[bounds[1:]] - sums[bounds[:-1]]
        return found

    def first_rows(self) -> NDArray[np.int64]:
        """Row of the first of each group of equal texts, rising; all rows where none is repeated."""
        order = np.argsort(self.hashes, kind='stable')
        ordered = self.hashes[order]
        is_new = np.concatenate([np.ones(1, dtype=bool), ordered[1:] != ordered[:-1]])[: len(order)]
        del ordered
        heads, repeats = np.flatnonzero(is_new), np.flatnonzero(~is_new)
        is_first = np.ones(len(self), dtype=bool)
        for start in range(0, len(repeats), _BLOCK):
            some = repeats[start : start + _BLOCK]
            rows, firsts = order[some], order[heads[np.searchsorted(heads, some) - 1]]
            is_first[rows[self._equal(rows, firsts)]] = False
        # A hash may be that of another text, which may be repeated as well.
        strangers = order[repeats][is_first[order[repeats]]]
        seen: set[str] = set()
        for row in np.sort(strangers).tolist():
            is_first[row] = self[row] not in seen
            seen.add(self[row])
        return np.flatnonzero(is_first)

    def find(self, wanted: Texts) -> NDArray[np.int64]:
        """The first row that holds each of some texts, -1 where there is none; shape (wanted,)."""
        candidates = np.flatnonzero(np.isin(self.hashes, wanted.hashes))
        row_of = {self[row]: row for row in candidates[::-1].tolist()}
        return np.array([row_of.get(text, -1) for text in wanted], dtype=np.int64)

    def _equal(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the texts of each two rows are the same."""
        sizes = self.offsets[rows + 1] - self.offsets[rows]
        same: NDArray[np.bool_] = sizes == self.offsets[others + 1] - self.offsets[others]
        sizes = np.where(same, sizes, 0)
        owners = np.repeat(np.arange(len(rows)), sizes)
        places = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        differ = (
            self.content[self.offsets[rows][owners] + places] != self.content[self.offsets[others][owners] + places]
        )
        same[owners[differ]] = False
        return same

    def joined(self, others: Texts) -> Texts:
        """These texts and after them others."""
        sizes = np.concatenate([np.diff(self.offsets), np.diff(others.offsets)])
        return Texts(self.content.tobytes() + others.content.tobytes(), sizes)


def _decoded(raw: bytes) -> str:
    return raw.decode('utf-8', 'surrogatepass')


def _powers(count: int) -> NDArray[np.uint64]:
    """Weights of letters by their place."""
    return np.cumprod(np.full(max(count, 1), _MULTIPLIER, dtype=np.uint64), dtype=np.uint64)
