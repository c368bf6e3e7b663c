"""What travels in a round of learning, what it weighs, and by which way it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scoutbee.campaigns.options import LearningOptions
from scoutbee.campaigns.survey import Survey
from scoutbee.contracts.campaign import INFER, SIMULATE, TRAIN
from scoutbee.models.sizes import PREDICTION_BYTES, ROWS_BYTES, TYPICAL_FEATURE_BYTES, VALUE_BYTES, model_bytes

from ..settings import Settings
from .earlier import Earlier
from .rounds import Rounds

MESSAGE = 'message'
"""The way of what travels with its task."""


@dataclass(frozen=True)
class Item:
    """A sort of object that tasks of a topic need or return.

    Attributes:
        topic: The topic.
        name: What it is.
        direction: ``in`` to the worker, or ``out`` from it.
        count: How many there are in a round.
        each: Bytes of one, packed; None where that is not known.
        way: Backend of the store that it goes through, ``message``, or None where its size is not known.
        is_estimate: Whether ``each`` is estimated rather than computed or measured.
        once: Whether it is stored once for the whole campaign.
        at_once: How many of them a task may have.
    """

    topic: str
    name: str
    direction: Literal['in', 'out']
    count: int
    each: float | None
    way: str | None
    is_estimate: bool = False
    once: bool = False
    at_once: int = 1


def list_items(
    settings: Settings, learning: LearningOptions, space: Survey, rounds: Rounds, earlier: Earlier | None
) -> list[Item]:
    """Everything that travels in a round; data and models as they will be at the end, when they weigh most.

    Args:
        settings: The settings of the run.
        learning: How it learns.
        space: What is searched.
        rounds: Its rounds.
        earlier: What is known from an earlier run.
    """
    return [*_simulate(settings, rounds, earlier), *_learn(settings, learning, space, rounds)]


def _simulate(settings: Settings, rounds: Rounds, earlier: Earlier | None) -> Iterator[Item]:
    arguments, result = (None, None) if earlier is None else (earlier.inputs_bytes, earlier.value_bytes)
    yield _item(settings, SIMULATE, 'arguments', 'in', rounds.between, arguments)
    yield _item(settings, SIMULATE, 'result', 'out', rounds.between, result)


def _learn(settings: Settings, learning: LearningOptions, space: Survey, rounds: Rounds) -> Iterator[Item]:
    observations = space.known + settings.search_size
    of_one, guess = feature_bytes(learning.surrogate, space)
    model = model_bytes(learning.surrogate, learning.surrogate_settings, observations, space.coordinates)
    data = None if of_one is None else observations * (of_one + VALUE_BYTES)
    by_file = learning.features_by_file and not space.coordinates
    chunk = ROWS_BYTES if by_file else None if of_one is None else rounds.chunk_size * of_one
    members = rounds.members
    yield _item(settings, TRAIN, 'training set, at the end', 'in', 1, data, is_estimate=guess)
    if learning.warm_start:
        yield _item(settings, TRAIN, 'model to start from', 'in', members, model)
    yield _item(settings, TRAIN, 'trained model', 'out', members, model)
    yield _item(settings, INFER, 'model', 'in', members, model, at_once=members)
    guess = guess and not by_file
    yield _item(settings, INFER, 'chunk of the search space', 'in', rounds.chunks, chunk, is_estimate=guess, once=True)
    yield _item(settings, INFER, 'predictions', 'out', rounds.chunks, PREDICTION_BYTES * rounds.chunk_size * members)


def feature_bytes(surrogate: str, space: Survey) -> tuple[float | None, bool]:
    """Bytes of the features of a candidate, and whether that is an estimate."""
    if space.feature_bytes is not None:
        return space.feature_bytes, False
    return TYPICAL_FEATURE_BYTES.get(surrogate), True


def _item(
    settings: Settings,
    topic: str,
    name: str,
    direction: Literal['in', 'out'],
    count: int,
    each: float | None,
    *,
    is_estimate: bool = False,
    once: bool = False,
    at_once: int = 1,
) -> Item:
    backend = settings.backends().get(topic)
    if backend is None:
        way: str | None = MESSAGE
    elif each is None:
        way = None
    else:
        way = backend if each >= settings.thresholds()[topic] else MESSAGE
    return Item(topic, name, direction, count, each, way, is_estimate, once, at_once)


def largest_message(items: list[Item], topic: str) -> float:
    """Bytes of the largest message of a topic, as far as it is known: a task with its inputs, or its result."""
    return max(
        sum(item.at_once * (item.each or 0.0) for item in items if (item.topic, item.direction) == (topic, direction)
            and item.way == MESSAGE)
        for direction in ('in', 'out')
    )  # fmt: skip
