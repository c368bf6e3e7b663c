"""The message-passing network for processors: numpy and BLAS, without Keras.

It computes what ``mpnn_network`` does when it does not train, in an order that suits a core: each environment once
(``mpnn_environments``), a block of rows at a time that stays in the core's cache, with constants moved to where they
cost nothing. Threads share the blocks, which are the same however many there are. Axes as in ``mpnn_environments``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .graphs import ATOM_COLUMNS, BOND_COLUMNS, Column
from .mpnn_batches import table_indices
from .mpnn_environments import Environments, Group, Step
from .mpnn_weights import HEADS
from .team import Team

Floats = NDArray[np.float32]

BLOCK = 1024
"""Rows worked on at a time. With fewer, threads would wait for Python's lock; many more do not fit into a core's
caches."""


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


@dataclass(frozen=True)
class Means:
    """What the read-out makes of each of ``u`` environments, for the weighted mean over a molecule's atoms.

    Attributes:
        values: Weighted values, shape (u, width).
        weights: Weights, shape (u, HEADS).
    """

    values: Floats
    weights: Floats


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
        self._zeros = self._rows(np.zeros(self._width, dtype=np.float32))

    def predict(self, environments: Environments, space: Workspace, team: Team) -> Floats:
        """Scaled predictions, shape (m,)."""
        rows = self._embed('atom_table', environments.atom_codes, ATOM_COLUMNS)
        for number, step in enumerate(environments.steps):
            messages = self._send(number, step, rows, environments.bond_codes, space, team)
            rows = self._advance(number, step, rows, messages, space, team)
        return self._read_out(self._weigh(rows, space, team), environments, team)

    def _bias(self, name: str, step: int) -> Floats:
        """A layer's bias, with what it makes of the biases that rows lack after ``step`` steps."""
        return self._weights[name.format('bias')] + self._missing[step] @ self._weights[name.format('kernel')]

    def _rows(self, row: Floats) -> Floats:
        """A row for every row of a block: two operands of equal shape take half the time, or less."""
        return np.tile(row, (BLOCK, 1))

    def _embed(self, table: str, codes: NDArray[np.int64], columns: tuple[Column, ...]) -> Floats:
        embedded: Floats = self._weights[table][table_indices(codes, columns)].sum(axis=1)
        return embedded

    def _send(
        self, number: int, step: Step, old: Floats, bond_codes: NDArray[np.int64], space: Workspace, team: Team
    ) -> Floats:
        """The message of each pair, shape (p, width), from the rows before a step, shape (w, width)."""
        bonds = self._embed(f'bond_table_{number}', bond_codes, BOND_COLUMNS) + self._missing[number]
        messages = space.array('messages', len(step.pair_rows), self._width)

        def send(block: slice, thread: int) -> None:
            message = _take(old, step.pair_rows[block], messages[block])
            message += _take(bonds, step.pair_kinds[block], self._scratch(space, thread, len(message))[0])
            np.maximum(message, self._zeros[: len(message)], out=message)

        team.share(_blocks(len(messages)), send)
        return messages

    def _advance(self, number: int, step: Step, old: Floats, messages: Floats, space: Workspace, team: Team) -> Floats:
        """Rows of the environments after a step, shape (u, width)."""
        new = space.array(f'rows_{number % 2}', len(step.own), self._width)

        def advance(work: tuple[Group, slice], thread: int) -> None:
            group, block = work
            pairs = group.pairs[:, block]
            rows = new[group.start + block.start : group.start + block.start + pairs.shape[1]]
            own, inner, spare = self._scratch(space, thread, len(rows))
            _take(old, step.own[group.start + block.start :][: len(rows)], own)
            self._receive(own, messages, pairs, rows, spare)
            self._update(number, own, rows, inner, spare)

        team.share(((group, block) for group in step.groups for block in _blocks(group.pairs.shape[1])), advance)
        return new

    def _scratch(self, space: Workspace, thread: int, rows: int) -> tuple[Floats, Floats, Floats]:
        """What a thread may write to."""
        first, second, third = space.array(f'scratch_{thread}', 3 * BLOCK, self._width).reshape(3, BLOCK, self._width)
        return first[:rows], second[:rows], third[:rows]

    def _receive(self, own: Floats, messages: Floats, pairs: NDArray[np.int64], out: Floats, spare: Floats) -> None:
        """Put into ``out`` the rows and all their messages."""
        _take(messages, pairs[0], out)
        out += own
        for neighbour in pairs[1:]:
            out += _take(messages, neighbour, spare)

    def _update(self, number: int, own: Floats, rows: Floats, inner: Floats, spare: Floats) -> None:
        """Make of rows with their messages, in place, the rows after the step."""
        np.matmul(rows, self._inner[number], out=inner)
        inner += self._inner_bias[number][: len(rows)]
        # Where exp overflows, the rectifier is 0, as it should; weights that are no use show in what comes out.
        with np.errstate(over='ignore', invalid='ignore'):
            np.exp(inner, out=spare)
            spare += 1
            inner /= spare
        np.matmul(inner, self._outer[number], out=rows)
        rows += own

    def _weigh(self, rows: Floats, space: Workspace, team: Team) -> Means:
        """Values and weights of the rows of the last environments, shape (u, width); the values take their place."""
        scores = space.array('scores', len(rows), HEADS)

        def weigh(block: slice, thread: int) -> None:
            row, score = rows[block], scores[block]
            value, wide, _ = self._scratch(space, thread, len(row))
            np.matmul(row, self._weights['score_kernel'], out=score)
            with np.errstate(over='ignore', invalid='ignore'):
                np.exp(10 * np.tanh((score + self._score_bias) / 10), out=score)
                np.matmul(row, self._weights['value_kernel'], out=value)
                value += self._value_bias[: len(row)]
                np.multiply(value, np.matmul(score, self._spread, out=wide), out=row)

        team.share(_blocks(len(rows)), weigh)
        return Means(rows, scores)

    def _read_out(self, means: Means, environments: Environments, team: Team) -> Floats:
        """Scaled predictions, shape (m,)."""
        from scipy.sparse import csr_array

        weights, offsets = self._weights, environments.atom_offsets
        predicted = np.empty(len(offsets) - 1, dtype=np.float32)

        def read_out(block: slice, _: int) -> None:
            own = offsets[block.start : block.stop + 1]
            atoms = environments.atoms[own[0] : own[-1]]
            shape = (len(own) - 1, len(means.values))
            members = csr_array((np.ones(len(atoms), dtype=np.float32), atoms, own - own[0]), shape=shape)
            with np.errstate(over='ignore', invalid='ignore'):
                molecules = (members @ means.values) / ((members @ means.weights) @ self._spread)
                hidden = molecules @ weights['hidden_kernel'] + weights['hidden_bias']
                hidden /= 1 + np.exp(-hidden)
                predicted[block] = (hidden @ weights['output_kernel'] + weights['output_bias'])[:, 0]

        team.share(_blocks(len(predicted)), read_out)
        return predicted


def _blocks(count: int) -> Iterator[slice]:
    """So many rows, a block at a time."""
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def _take(rows: Floats, which: NDArray[np.int64], out: Floats) -> Floats:
    # Not checking the bounds, which cannot be missed here, spares numpy a copy.
    return np.take(rows, which, axis=0, out=out, mode='clip')
