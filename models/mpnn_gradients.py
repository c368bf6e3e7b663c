"""Loss and gradients of the message-passing network, in numpy and BLAS: what ``mpnn_network`` leaves to Keras.

Small batches are what training is made of, and on a processor a general framework spends more time between the
operations of such a batch than in them. Axes as in ``mpnn_batches``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .graphs import ATOM_COLUMNS, BOND_COLUMNS
from .mpnn_batches import Batch, table_rows
from .mpnn_weights import HEADS

Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]


@dataclass(frozen=True)
class Operators:
    """A batch as matrices of ones and zeros; sparse ones add rows up.

    Attributes:
        atom_rows: Table rows of each atom code; shape (u, rows).
        bond_rows: Table rows of each bond code; shape (v, rows).
        atom_codes: Code of each atom; shape (a, u).
        bond_codes: Code of each directed bond; shape (e, v).
        arriving: Directed bonds that lead to each atom; sparse, shape (a, e).
        leaving: Directed bonds that come from each atom; sparse, shape (a, e).
        members: Atoms of each molecule; sparse, shape (m, a).
    """

    atom_rows: Floats
    bond_rows: Floats
    atom_codes: Floats
    bond_codes: Floats
    arriving: Any
    leaving: Any
    members: Any


def operators(batch: Batch) -> Operators:
    """The matrices of a batch."""
    atoms, sources, count = batch['atoms'], batch['sources'], len(batch['atoms'])
    return Operators(
        _rows(batch['atom_codes'], table_rows(ATOM_COLUMNS)),
        _rows(batch['bond_codes'], table_rows(BOND_COLUMNS)),
        _rows(atoms[:, None], len(batch['atom_codes'])),
        _rows(batch['bonds'][:, None], len(batch['bond_codes'])),
        _adder(batch['targets'], count),
        _adder(sources, count),
        _adder(batch['molecules'], len(batch['sizes'])),
    )


def _rows(ones: NDArray[np.integer], count: int) -> Floats:
    """Rows with ones in the given columns; shape (n, count)."""
    rows = np.zeros((len(ones), count), dtype=np.float32)
    rows[np.arange(len(ones))[:, None], ones] = 1
    return rows


def _adder(owners: NDArray[np.integer], count: int) -> Any:
    """Sparse matrix, shape (count, n), that adds up the rows of each owner."""
    from scipy.sparse import csr_array

    order = np.argsort(owners, kind='stable')
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(owners, minlength=count), out=offsets[1:])
    return csr_array((np.ones(len(owners), dtype=np.float32), order, offsets), shape=(count, len(owners)))


class Differentiator:
    """Computes the loss of a network and its gradients, and writes them where it was told to."""

    def __init__(self, weights: Weights, gradients: Weights, steps: int, dropout: float) -> None:
        """Keep where weights are read and gradients written; names and shapes of ``mpnn_weights.weight_shapes``."""
        self._weights = weights
        self._gradients = gradients
        self._steps = steps
        self._rate = dropout
        self._spread = np.repeat(np.eye(HEADS, dtype=np.float32), weights['atom_table'].shape[1] // HEADS, axis=1)

    def loss(self, batch: Batch, targets: Floats, rng: np.random.Generator) -> float:
        """Mean squared error on scaled targets of shape (m,), with dropout drawn from ``rng``; writes all gradients."""
        by = operators(batch)
        atoms = (by.atom_rows @ self._weights['atom_table'])[batch['atoms']]
        tapes = []
        for step in range(self._steps):
            atoms, tape = self._advance(step, atoms, by, batch, rng)
            tapes.append(tape)
        residuals, slopes = self._read_out(atoms, by, batch, targets, rng)
        for step in reversed(range(self._steps)):
            slopes = self._retreat(step, slopes, tapes[step], by, batch)
        self._gradients['atom_table'][:] = by.atom_rows.T @ (by.atom_codes.T @ slopes)
        return float(np.mean(residuals * residuals))

    def _advance(
        self, step: int, atoms: Floats, by: Operators, batch: Batch, rng: np.random.Generator
    ) -> tuple[Floats, _Tape]:
        """Atoms after a round of messages, and what its slopes will need."""
        messages = atoms[batch['sources']]
        messages += (by.bond_rows @ self._weights[f'bond_table_{step}'])[batch['bonds']]
        np.maximum(messages, 0, out=messages)
        received = by.arriving @ messages
        received += atoms
        before = self._dense('inner', received, f'_{step}')
        gate = _sigmoid(before)
        inner = before * gate
        out = self._dense('outer', inner, f'_{step}')
        mask = self._mask(out.shape, rng)
        if mask is not None:
            out *= mask
        out += atoms
        return out, _Tape(messages, received, gate, inner, mask)

    def _retreat(self, step: int, slopes: Floats, tape: _Tape, by: Operators, batch: Batch) -> Floats:
        """Slopes of the atoms before a round of messages, shape (a, width), from those after it."""
        out = slopes if tape.mask is None else slopes * tape.mask
        inner = self._dense_slopes('outer', tape.inner, out, f'_{step}')
        inner *= _silu_slope(tape.gate, tape.inner)
        received = self._dense_slopes('inner', tape.received, inner, f'_{step}')
        messages = received[batch['targets']]
        messages *= tape.messages > 0
        self._gradients[f'bond_table_{step}'][:] = by.bond_rows.T @ (by.bond_codes.T @ messages)
        received += slopes
        received += by.leaving @ messages
        return received

    def _read_out(
        self, atoms: Floats, by: Operators, batch: Batch, targets: Floats, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Residuals of the molecules, shape (m,), and slopes of the atoms, shape (a, width)."""
        owners, spread = batch['molecules'], self._spread
        bounded = np.tanh(self._dense('score', atoms) / 10)
        scores = np.exp(10 * bounded)
        values = self._dense('value', atoms)
        wide = scores @ spread
        totals = (by.members @ scores) @ spread
        means = (by.members @ (values * wide)) / totals
        mask = self._mask(means.shape, rng)
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
        shares = (slopes / totals)[owners]
        of_scores = ((values - means[owners]) * shares) @ spread.T
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
        np.sum(slopes, axis=0, out=self._gradients[f'{name}_bias{suffix}'])
        of_input: Floats = slopes @ self._weights[f'{name}_kernel{suffix}'].T
        return of_input

    def _mask(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats | None:
        """Factors that drop a share of numbers and make up for it with the others; None where none is dropped."""
        if not self._rate:
            return None
        # 16 random bits decide well enough, and cost a quarter of a random float.
        drawn = np.frombuffer(rng.bytes(2 * math.prod(shape)), dtype=np.uint16).reshape(shape)
        kept = (drawn >= round(self._rate * 2**16)).astype(np.float32)
        kept /= 1 - self._rate
        return kept


class _Tape(NamedTuple):
    """What a round of messages leaves for its slopes; ``gate`` is the sigmoid by which ``inner`` was rectified."""

    messages: Floats
    received: Floats
    gate: Floats
    inner: Floats
    mask: Floats | None


def _sigmoid(x: Floats) -> Floats:
    y = np.negative(x)
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


def _silu_slope(gate: Floats, activated: Floats) -> Floats:
    """Derivative of ``x * sigmoid(x)``, from the sigmoid and the product."""
    slope: Floats = activated * (1 - gate)
    slope += gate
    return slope
