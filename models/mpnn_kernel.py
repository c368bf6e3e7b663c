"""The message-passing network for processors: numpy and BLAS, without Keras.

It computes what ``mpnn_network`` does when it does not train, in an order that suits a core: each environment once
(``mpnn_environments``), a block of rows at a time that stays in the core's cache, with constants moved to where they
cost nothing. Axes as in ``mpnn_environments``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from .graphs import ATOM_COLUMNS, BOND_COLUMNS, Column
from .mpnn_batches import table_indices
from .mpnn_environments import Environments, Step
from .mpnn_weights import HEADS

Floats = NDArray[np.float32]

BLOCK = 512
"""Rows worked on at a time: at a width of 64, the four arrays of a block take 512 KiB, a core's second cache."""


class Workspace:
    """Memory that is kept from one model to the next: getting it anew takes as long as filling it."""

    def __init__(self) -> None:
        """Start with none."""
        self._arrays: dict[str, Floats] = {}

    def array(self, name: str, rows: int, columns: int) -> Floats:
        """An array of that shape with any content; the last one of that name is lost."""
        array = self._arrays.get(name)
        if array is None or array.size < rows * columns:
            array = self._arrays[name] = np.empty(rows * columns, dtype=np.float32)
        return array[: rows * columns].reshape(rows, columns)


class Kernel:
    """A network's weights, made ready to predict with.

    An atom's row is kept without the biases of the outer layers: they are the same for every atom, so what they would
    add is added to what reads the row, the bonds' tables and the next biases. The sign of both dense layers of a step
    is turned, which makes of the rectifier x / (1 + exp(-x)) three operations instead of four.
    """

    def __init__(self, weights: Mapping[str, Floats], steps: int) -> None:
        """Make ready the weights of ``mpnn_weights.weight_shapes`` for so many rounds of messages."""
        self._weights = weights
        self._steps = steps
        self._width = weights['atom_table'].shape[1]
        self._missing: list[Floats] = [np.zeros(self._width, dtype=np.float32)]
        for step in range(steps):
            self._missing.append(self._missing[-1] + weights[f'outer_bias_{step}'])
        self._inner = [-weights[f'inner_kernel_{step}'] for step in range(steps)]
        self._inner_bias = [self._rows(-self._bias(f'inner_{{}}_{step}', step)) for step in range(steps)]
        self._outer = [-weights[f'outer_kernel_{step}'] for step in range(steps)]
        self._value_bias = self._rows(self._bias('value_{}', steps))
        self._score_bias = self._bias('score_{}', steps)
        self._spread = np.repeat(np.eye(HEADS, dtype=np.float32), self._width // HEADS, axis=1)

    def predict(self, environments: Environments, space: Workspace) -> Floats:
        """Scaled predictions, shape (m,)."""
        # Where exp overflows, the rectifier is 0, as it should; weights that are no use show in what comes out.
        with np.errstate(over='ignore', invalid='ignore'):
            rows = self._embed('atom_table', environments.atom_codes, ATOM_COLUMNS)
            for number, step in enumerate(environments.steps):
                rows = self._advance(number, step, rows, environments.bond_codes, space)
            return self._read_out(rows, environments, space)

    def _bias(self, name: str, step: int) -> Floats:
        """A layer's bias, with what it makes of the biases that rows lack after ``step`` steps."""
        return self._weights[name.format('bias')] + self._missing[step] @ self._weights[name.format('kernel')]

    def _rows(self, bias: Floats) -> Floats:
        """A bias for every row of a block: adding equal shapes takes half the time."""
        return np.tile(bias, (BLOCK, 1))

    def _embed(self, table: str, codes: NDArray[np.int64], columns: tuple[Column, ...]) -> Floats:
        embedded: Floats = self._weights[table][table_indices(codes, columns)].sum(axis=1)
        return embedded

    def _advance(self, number: int, step: Step, old: Floats, bond_codes: NDArray[np.int64], space: Workspace) -> Floats:
        """Rows of the environments after a step, shape (u, width), from those before it, shape (w, width)."""
        bonds = self._embed(f'bond_table_{number}', bond_codes, BOND_COLUMNS) + self._missing[number]
        messages = space.array('messages', len(step.pair_rows), self._width)
        first, second, third = (space.array(name, BLOCK, self._width) for name in ('first', 'second', 'third'))
        for block, size in _blocks(0, len(messages)):
            message = messages[block]
            _take(old, step.pair_rows[block], message)
            message += _take(bonds, step.pair_kinds[block], first[:size])
            np.maximum(message, 0, out=message)
        new = space.array(f'rows_{number % 2}', len(step.own), self._width)
        for group in step.groups:
            for block, size in _blocks(group.start, group.pairs.shape[1]):
                own = _take(old, step.own[block], first[:size])
                self._receive(own, messages, group.pairs[:, block.start - group.start :][:, :size], new[block], second)
                self._update(number, own, new[block], second[:size], third[:size])
        return new

    def _receive(self, own: Floats, messages: Floats, pairs: NDArray[np.int64], out: Floats, spare: Floats) -> None:
        """Put into ``out`` the rows and all their messages."""
        _take(messages, pairs[0], out)
        out += own
        for neighbour in pairs[1:]:
            out += _take(messages, neighbour, spare[: len(out)])

    def _update(self, number: int, own: Floats, rows: Floats, inner: Floats, spare: Floats) -> None:
        """Make of rows with their messages, in place, the rows after the step."""
        np.matmul(rows, self._inner[number], out=inner)
        inner += self._inner_bias[number][: len(rows)]
        np.exp(inner, out=spare)
        spare += 1
        inner /= spare
        np.matmul(inner, self._outer[number], out=rows)
        rows += own

    def _read_out(self, rows: Floats, environments: Environments, space: Workspace) -> Floats:
        """Scaled predictions, shape (m,), from the rows of the last environments, shape (u, width)."""
        from scipy.sparse import csr_array

        weights, count = self._weights, len(environments.atom_offsets) - 1
        values = space.array('values', len(rows), self._width)
        scores = space.array('scores', len(rows), HEADS)
        spare = space.array('first', BLOCK, self._width)
        for block, size in _blocks(0, len(rows)):
            score, value = scores[block], values[block]
            np.matmul(rows[block], weights['score_kernel'], out=score)
            np.exp(10 * np.tanh((score + self._score_bias) / 10), out=score)
            np.matmul(rows[block], weights['value_kernel'], out=value)
            value += self._value_bias[:size]
            value *= np.matmul(score, self._spread, out=spare[:size])
        ones = np.ones(len(environments.atoms), dtype=np.float32)
        members = csr_array((ones, environments.atoms, environments.atom_offsets), shape=(count, len(rows)))
        molecules = (members @ values) / ((members @ scores) @ self._spread)
        hidden = molecules @ weights['hidden_kernel'] + weights['hidden_bias']
        hidden /= 1 + np.exp(-hidden)
        predicted: Floats = (hidden @ weights['output_kernel'] + weights['output_bias'])[:, 0]
        return predicted


def _blocks(start: int, count: int) -> Iterator[tuple[slice, int]]:
    """Rows ``start`` to ``start + count``, a block at a time, and how many each block has."""
    for begin in range(start, start + count, BLOCK):
        size = min(BLOCK, start + count - begin)
        yield slice(begin, begin + size), size


def _take(rows: Floats, which: NDArray[np.int64], out: Floats) -> Floats:
    # Not checking the bounds, which cannot be missed here, spares numpy a copy.
    return np.take(rows, which, axis=0, out=out, mode='clip')
