"""Which of many 64-bit keys are equal: hashing without a Python loop, several times faster than sorting them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_ODD = 0x9E3779B97F4A7C15
_MIX = ((31, np.uint64(0x7FB5D329728EA185)), (27, np.uint64(0x81DADEF4BC2DD44D)))
_LAST_SHIFT = np.uint64(33)


def scatter_bits(numbers: NDArray[np.integer]) -> Keys:
    """A key for each number, of which every bit depends on every bit of the number; different numbers, different keys.

    Two rounds of shift and multiply, as in the finalizer of MurmurHash3 (Appleby, 2011), with the constants of Steele,
    Lea and Flood's variant (OOPSLA 2014, "Fast splittable pseudorandom number generators", and Stafford's mix 13).
    """
    # One more, for 0 would stay 0, which any sum hides.
    keys: Keys = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(_ODD)
    for shift, factor in _MIX:
        keys ^= keys >> np.uint64(shift)
        keys *= factor
    keys ^= keys >> _LAST_SHIFT
    return keys


def first_equal(keys: Keys) -> NDArray[np.int32]:
    """For each of ``n`` keys, the row of the first key that equals it; shape (n,).

    Args:
        keys: Keys with well scattered upper bits; fewer than 2**31.
    """
    first = np.empty(len(keys), dtype=np.int32)
    bits = max(4, (2 * len(keys)).bit_length())
    table = np.empty(1 << bits, dtype=np.int32)
    left, factor = np.arange(len(keys), dtype=np.int32), 1
    while len(left):
        # Keys that are equal share a slot, whose first key wins it. Those that meet another key there try again with
        # other bits, all equal ones together.
        mine = keys[left]
        slots = ((mine * np.uint64(factor)) >> np.uint64(64 - bits)).astype(np.int64)
        table[slots[::-1]] = left[::-1]
        winners = table[slots]
        same = keys[winners] == mine
        first[left[same]] = winners[same]
        left, factor = left[~same], factor * _ODD % 2**64
    return first


def first_numbers(numbers: NDArray[np.int64], count: int) -> NDArray[np.int32]:
    """For each of ``n`` numbers below ``count``, the row of the first one that equals it; shape (n,)."""
    table = np.empty(count, dtype=np.int32)
    rows = np.arange(len(numbers), dtype=np.int32)
    table[numbers[::-1]] = rows[::-1]
    return table[numbers]
