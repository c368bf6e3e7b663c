"""The weights of the message-passing network: their names, shapes and first values. No Keras here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError

from .graphs import ATOM_COLUMNS, BOND_COLUMNS
from .mpnn_batches import table_rows

HEADS = 4
"""Attention heads of the readout; the width is a multiple of it."""

CLIP_NORM = 1.0
"""Longest step a gradient may ask for; one odd molecule in a small batch must not throw the network off."""

_TABLE_DEVIATION = 0.4


def weight_shapes(width: int, steps: int) -> dict[str, tuple[int, ...]]:
    """Shape of each weight by name, in the order of the network's variables.

    Args:
        width: Numbers that describe an atom.
        steps: Rounds of messages.
    """
    shapes: dict[str, tuple[int, ...]] = {'atom_table': (table_rows(ATOM_COLUMNS), width)}
    for step in range(steps):
        shapes[f'bond_table_{step}'] = (table_rows(BOND_COLUMNS), width)
        shapes[f'inner_kernel_{step}'] = (width, width)
        shapes[f'inner_bias_{step}'] = (width,)
        shapes[f'outer_kernel_{step}'] = (width, width)
        shapes[f'outer_bias_{step}'] = (width,)
    shapes['score_kernel'] = (width, HEADS)
    shapes['score_bias'] = (HEADS,)
    shapes['value_kernel'] = (width, width)
    shapes['value_bias'] = (width,)
    shapes['hidden_kernel'] = (width, width)
    shapes['hidden_bias'] = (width,)
    shapes['output_kernel'] = (width, 1)
    shapes['output_bias'] = (1,)
    return shapes


def initial_weights(width: int, steps: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """First values, drawn here and not by the backend, so that a seed means the same on every one.

    Kernels are uniform within Glorot and Bengio's bound (AISTATS 2010, eq. 16), tables normal, biases zero. The output
    kernel is zero too: before it has learned anything, the network predicts the mean of what it was given.
    """
    weights = {}
    for name, shape in weight_shapes(width, steps).items():
        if 'table' in name:
            value = rng.normal(0.0, _TABLE_DEVIATION, shape)
        elif 'kernel' in name and name != 'output_kernel':
            bound = np.sqrt(6.0 / sum(shape))
            value = rng.uniform(-bound, bound, shape)
        else:
            value = np.zeros(shape)
        weights[name] = value.astype(np.float32)
    return weights


def check_weights(arrays: Mapping[str, NDArray[Any]], width: int, steps: int) -> dict[str, NDArray[np.float32]]:
    """The network's weights out of a model's arrays.

    Raises:
        InputTaskError: If one is missing, has another shape, or is not finite.
    """
    weights = {}
    for name, shape in weight_shapes(width, steps).items():
        array = arrays.get(name)
        if array is None or array.shape != shape:
            came = 'none' if array is None else f'shape {array.shape}'
            raise InputTaskError(f'Expected the weight {name!r} of an mpnn model with shape {shape}, got {came}.')
        if not np.isfinite(array).all():
            raise InputTaskError(f'Expected finite weights in an mpnn model, got others in {name!r}; train it again.')
        weights[name] = np.asarray(array, dtype=np.float32)
    return weights


def rescale_output(
    weights: Mapping[str, NDArray[np.float32]], old: tuple[float, float], new: tuple[float, float]
) -> dict[str, NDArray[np.float32]]:
    """Weights that predict the same values when their output is scaled anew.

    Args:
        weights: The network's.
        old: Mean and standard deviation the output was scaled with.
        new: Those it will be scaled with.
    """
    factor = old[1] / new[1]
    kernel = weights['output_kernel'] * factor
    bias = weights['output_bias'] * factor + (old[0] - new[0]) / new[1]
    return {**weights, 'output_kernel': kernel.astype(np.float32), 'output_bias': bias.astype(np.float32)}
