"""Loss and gradients of the message-passing network, in numpy and BLAS: what ``mpnn_network`` leaves to Keras.

Small batches are what training is made of, and on a processor a general framework spends more time between the
operations of such a batch than in them. Axes as in ``mpnn_wiring``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .mpnn_weights import HEADS
from .mpnn_wiring import WiredBatch, Wires

Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]

Mask = Floats | None
"""Factors that drop a share of numbers and make up for it with the others; None where none is dropped."""


class Differentiator:
    """Computes the loss of a network and its gradients, and writes them where it was told to."""

    def __init__(self, weights: Weights, gradients: Weights, steps: int, dropout: float) -> None:
        """Keep where weights are read and gradients written; names and shapes of ``mpnn_weights.weight_shapes``."""
        self._weights = weights
        self._gradients = gradients
        self._steps = steps
        self._rate = dropout
        self._width = weights['atom_table'].shape[1]
        self._spread = np.repeat(np.eye(HEADS, dtype=np.float32), self._width // HEADS, axis=1)

    def loss(self, batch: WiredBatch, targets: Floats, rng: np.random.Generator) -> float:
        """Mean squared error on scaled targets of shape (m,), with dropout drawn from ``rng``; writes all gradients."""
        masks = self._masks(len(batch.codes), len(targets), rng)
        atoms, first = self._begin(batch, next(masks))
        rounds = []
        for step in range(1, self._steps):
            added, tape = self._round(step, atoms, atoms, batch.rest)
            mask = next(masks)
            if mask is not None:
                added *= mask
            added += atoms
            atoms = added
            rounds.append((tape, mask))
        residuals, slopes = self._read_out(atoms, batch, targets, next(masks))
        for step in reversed(range(1, self._steps)):
            tape, mask = rounds.pop()
            of_targets, of_bonds = self._round_slopes(step, tape, batch.rest, slopes if mask is None else slopes * mask)
            slopes += of_targets
            _receive(_rows(of_bonds, batch.leaving), batch.rest, slopes, out=slopes)
        self._end(batch, first, slopes)
        return float(residuals @ residuals) / len(residuals)

    def _begin(self, batch: WiredBatch, mask: Mask) -> tuple[Floats, tuple[_Tape, Mask]]:
        """Atoms after the first round of messages, shape (a, width), and what its slopes will need."""
        codes = batch.code_rows @ self._weights['atom_table']
        added, tape = self._round(0, codes[batch.environment_codes], codes, batch.first)
        atoms = _rows(added, batch.environments)
        if mask is not None:
            atoms *= mask
        atoms += _rows(codes, batch.codes)
        return atoms, (tape, mask)

    def _end(self, batch: WiredBatch, first: tuple[_Tape, Mask], slopes: Floats) -> None:
        """Write the gradients of the first round and of the atoms' table."""
        tape, mask = first
        of_codes = batch.alike @ slopes
        added = of_codes if mask is None else batch.alike @ (slopes * mask)
        of_targets, of_bonds = self._round_slopes(0, tape, batch.first, added)
        of_codes += of_targets
        gradient = self._gradients['atom_table']
        np.matmul(_rows(batch.code_rows, batch.environment_codes).T, of_codes, out=gradient)
        gradient += _rows(batch.code_rows, batch.first.sources).T @ of_bonds

    def _round(self, step: int, own: Floats, earlier: Floats, wires: Wires) -> tuple[Floats, _Tape]:
        """What a round of messages adds to the rows ``own``, and what its slopes will need."""
        messages = _rows(earlier, wires.sources)
        messages += _rows(wires.kind_rows @ self._weights[f'bond_table_{step}'], wires.kinds)
        passed = (messages > 0).astype(np.float32)
        messages *= passed
        received = _receive(messages, wires, own, out=np.empty_like(own))
        before = self._dense('inner', received, f'_{step}')
        gate = _sigmoid(before)
        inner = np.multiply(before, gate, out=before)
        return self._dense('outer', inner, f'_{step}'), _Tape(passed, received, gate, inner)

    def _round_slopes(self, step: int, tape: _Tape, wires: Wires, slopes: Floats) -> tuple[Floats, Floats]:
        """Slopes of the targets' own rows, and of the sources' rows bond by bond, shape (e, width)."""
        inner = self._dense_slopes('outer', tape.inner, slopes, f'_{step}')
        inner *= _silu_slope(tape.gate, tape.inner)
        of_targets = self._dense_slopes('inner', tape.received, inner, f'_{step}')
        of_bonds = tape.passed  # nobody needs it again
        for group in wires.groups:
            blocks = group.blocks(of_bonds)
            blocks *= of_targets[group.targets]
        np.matmul(wires.bond_rows.T, of_bonds, out=self._gradients[f'bond_table_{step}'])
        return of_targets, of_bonds

    def _read_out(self, atoms: Floats, batch: WiredBatch, targets: Floats, mask: Mask) -> tuple[Floats, Floats]:
        """Residuals of the molecules, shape (m,), and slopes of the atoms, shape (a, width)."""
        owners, spread = batch.molecules, self._spread
        bounded = np.tanh(self._dense('score', atoms) / 10)
        scores = np.exp(10 * bounded)
        values = self._dense('value', atoms)
        wide = scores @ spread
        totals = (batch.members @ scores) @ spread
        means = (batch.members @ (values * wide)) / totals
        molecules = means if mask is None else means * mask
        before = self._dense('hidden', molecules)
        gate = _sigmoid(before)
        hidden = before * gate
        residuals: Floats = self._dense('output', hidden)[:, 0] - targets
        slopes = self._dense_slopes('output', hidden, residuals[:, None] * np.float32(2 / len(targets)))
        slopes *= _silu_slope(gate, hidden)
        slopes = self._dense_slopes('hidden', molecules, slopes)
        if mask is not None:
            slopes *= mask
        # Of a mean over atoms: each atom's value moves it by its share, and its score by how far it is from the mean.
        slopes /= totals
        shares = _rows(slopes, owners)
        of_scores = (values * shares) @ spread.T
        of_scores -= _rows((means * slopes) @ spread.T, owners)
        of_scores *= scores * (1 - bounded * bounded)
        of_atoms = self._dense_slopes('score', atoms, of_scores)
        of_atoms += self._dense_slopes('value', atoms, shares * wide)
        return residuals, of_atoms

    def _dense(self, name: str, x: Floats, suffix: str = '') -> Floats:
        """A dense layer without activation."""
        y: Floats = x @ self._weights[f'{name}_kernel{suffix}']
        y += self._weights[f'{name}_bias{suffix}']
        return y

    def _dense_slopes(self, name: str, x: Floats, slopes: Floats, suffix: str = '') -> Floats:
        """Slopes of a dense layer's input, from those of its output; writes the gradients of its weights."""
        np.matmul(x.T, slopes, out=self._gradients[f'{name}_kernel{suffix}'])
        np.matmul(np.ones(len(slopes), dtype=np.float32), slopes, out=self._gradients[f'{name}_bias{suffix}'])
        of_input: Floats = slopes @ self._weights[f'{name}_kernel{suffix}'].T
        return of_input

    def _masks(self, atoms: int, molecules: int, rng: np.random.Generator) -> Iterator[Mask]:
        """What each round drops of the atoms, shape (a, width), and then of the molecules, shape (m, width)."""
        if not self._rate:
            yield from repeat(None, self._steps + 1)
            return
        # A random byte decides, an eighth of what a random float costs; of the two limits next to the rate, each is
        # taken as often as makes the rate right in the mean.
        limit = math.floor(256 * self._rate + rng.random())
        rows = (self._steps * atoms + molecules) * self._width
        drawn = rng.bit_generator.random_raw(-(-rows // 8)).view(np.uint8)[:rows].reshape(-1, self._width)
        for start in range(0, self._steps * atoms + 1, atoms):
            kept = (drawn[start : start + atoms] >= limit).astype(np.float32)
            kept *= np.float32(1 / (1 - self._rate))
            yield kept


class _Tape(NamedTuple):
    """What a round of messages leaves for its slopes; ``gate`` is the sigmoid by which ``inner`` was rectified."""

    passed: Floats
    received: Floats
    gate: Floats
    inner: Floats


def _sigmoid(x: Floats) -> Floats:
    y = np.negative(x)
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


def _silu_slope(gate: Floats, activated: Floats) -> Floats:
    """Derivative of ``x * sigmoid(x)``, from the sigmoid and the product."""
    slope: Floats = 1 - gate
    slope *= activated
    slope += gate
    return slope


def _receive(messages: Floats, wires: Wires, own: Floats, out: Floats) -> Floats:
    """Rows of the targets, and all that comes to them; shape (targets, width)."""
    for group in wires.groups:
        first, *others = group.blocks(messages)
        received = np.add(own[group.targets], first, out=out[group.targets])
        for block in others:
            received += block
    return out


def _rows(array: Floats, which: NDArray[np.int64]) -> Floats:
    """Rows of an array; indexing takes twice as long."""
    return array.take(which, axis=0)
