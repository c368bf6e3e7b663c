"""The Ackley function, and the same made slow on purpose.

Source of the function: D. H. Ackley, A Connectionist Machine for Genetic Hillclimbing, Kluwer 1987; in any dimension
as in T. Bäck, Evolutionary Algorithms in Theory and Practice, Oxford 1996, with a = 20, b = 0.2, c = 2 pi. Its minimum
is 0 at the origin, and it is searched within +-32.768.

Source of the delay: the prototype workflow of N. Collier et al., "Developing distributed high-performance computing
capabilities of an open science platform for robust epidemic analysis" (ParSocial 2023), public as
NSF-RESUME/2023_ParSocial_OSPREY_example. It sleeps for ``numpy.random.lognormal(2, 1)`` seconds: mean and standard
deviation are those of the *logarithm* (its settings ``runtime: 2``, ``runtime_var: 1``), so that the median is 7.4 s
and the mean 12.2 s.
"""

from __future__ import annotations

import hashlib
import math
import random
import struct
import time
from collections.abc import Sequence
from typing import Any

from scoutbee.contracts.errors import InputTaskError

BOUND = 32.768
"""Usual half-width of the domain, in every dimension."""

DELAY_LOG_MEAN = 2.0
"""Mean of the natural logarithm of the delay in seconds."""

DELAY_LOG_STD = 1.0
"""Standard deviation of the same."""

_HEIGHT, _DECAY, _FREQUENCY = 20.0, 0.2, 2 * math.pi


def ackley(point: Sequence[float]) -> float:
    """The Ackley function.

    Args:
        point: Coordinates, shape (d,), d at least 1; not confined to the usual domain.

    Returns:
        Its value, at least 0 (up to rounding, about 4e-16).

    Raises:
        InputTaskError: If there are no coordinates, or one is not a finite number.
    """
    coordinates = _checked(point)
    dimension = len(coordinates)
    distance = math.hypot(*coordinates) / math.sqrt(dimension)
    # The cosine has period 1, and the remainder is exact, also where the product would overflow.
    waves = math.fsum(math.cos(_FREQUENCY * math.fmod(x, 1.0)) for x in coordinates) / dimension
    return _HEIGHT * (1 - math.exp(-_DECAY * distance)) + math.e - math.exp(waves)


def delay_seconds(
    point: Sequence[float], log_mean: float = DELAY_LOG_MEAN, log_std: float = DELAY_LOG_STD, seed: int = 0
) -> float:
    """How long a point takes: lognormal over points, the same each time for one point and seed.

    Args:
        point: Coordinates, shape (d,).
        log_mean: Mean of the natural logarithm of the seconds.
        log_std: Standard deviation of the same; not negative.
        seed: Gives every point another delay.

    Raises:
        InputTaskError: If the point or the distribution is not valid.
    """
    coordinates = _checked(point)
    if not (math.isfinite(log_mean) and math.isfinite(log_std) and log_std >= 0):
        raise InputTaskError(
            'Expected a finite mean and a finite standard deviation, at least 0, of the logarithm of the delay; '
            f'got {log_mean!r} and {log_std!r}.'
        )
    # A hash of the bytes, because the built-in one changes between processes and between equal ints and floats.
    digest = hashlib.blake2b(f'{seed}:'.encode() + struct.pack(f'<{len(coordinates)}d', *coordinates), digest_size=8)
    normal = random.Random(int.from_bytes(digest.digest(), 'little')).gauss(log_mean, log_std)
    try:
        return math.exp(normal)
    except OverflowError:
        raise InputTaskError(
            f'The delay of point {list(coordinates)} is too long for a number: e to the {normal:.0f} seconds. '
            'Choose a smaller mean or deviation of its logarithm.'
        ) from None


def slow_ackley(
    point: Sequence[float],
    delay_log_mean: float = DELAY_LOG_MEAN,
    delay_log_std: float = DELAY_LOG_STD,
    seed: int = 0,
    delay_scale: float = 1.0,
) -> dict[str, Any]:
    """The Ackley function after a lognormal delay; a task function.

    Args:
        point: Coordinates, shape (d,).
        delay_log_mean: Mean of the natural logarithm of the delay in seconds, before scaling.
        delay_log_std: Standard deviation of the same.
        seed: Seed of the delays.
        delay_scale: Factor on the delay; 0 for none at all.

    Returns:
        Plain data: ``value``, ``point``, ``delay_seconds`` as slept, ``wall_seconds`` and ``cpu_seconds``.

    Raises:
        InputTaskError: If the point or the delay is not valid.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    if not (math.isfinite(delay_scale) and delay_scale >= 0):
        raise InputTaskError(f'Expected a finite factor of the delay, at least 0, got {delay_scale!r}.')
    value = ackley(point)
    delay = delay_scale * delay_seconds(point, delay_log_mean, delay_log_std, seed) if delay_scale else 0.0
    if delay:
        time.sleep(delay)
    return {
        'value': value,
        'point': [float(x) for x in point],
        'delay_seconds': delay,
        'wall_seconds': time.perf_counter() - started,
        'cpu_seconds': time.process_time() - cpu_started,
    }


def _checked(point: Sequence[float]) -> tuple[float, ...]:
    """The coordinates as floats; raises ``InputTaskError`` if they are none, or not finite numbers."""
    try:
        coordinates = tuple(float(x) for x in point)
    except (TypeError, ValueError, OverflowError):
        raise InputTaskError(f'Expected a point as a list of numbers, got {point!r}.') from None
    if not coordinates:
        raise InputTaskError('Expected a point of at least one dimension, got an empty one.')
    if not all(math.isfinite(x) for x in coordinates):
        raise InputTaskError(f'Expected finite coordinates, got {list(coordinates)}.')
    return coordinates
