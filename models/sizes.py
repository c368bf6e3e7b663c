"""What features and models weigh, told before there are any. Imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .fingerprint_features import HASH_SIZE
from .fingerprint_featurizer import DESCRIPTORS
from .gaussian_process import GaussianProcess
from .mpnn import Mpnn
from .mpnn_weights import weight_shapes
from .registry import make_surrogate

TYPICAL_FEATURE_BYTES: Mapping[str, float] = {'mpnn': 220.0, 'environments': 220.0, 'fingerprint': 250.0}
"""Bytes of the features of a drug-like molecule, by surrogate: the mean of the 20,000 of MOSES that come along."""

VALUE_BYTES = 8
"""Bytes of an observed value in the data of a training."""

ROWS_BYTES = 400
"""Bytes of a piece of a search space that is told by the name of its files, most of them the path."""

PREDICTION_BYTES = 4
"""Bytes of a predicted value."""

_DOUBLE = 8
_SINGLE = 4


def model_bytes(surrogate: str, settings: Mapping[str, Any], observations: int, coordinates: int = 0) -> int:
    """Bytes of the arrays of a trained model; what is around them is less than a kilobyte.

    Args:
        surrogate: Name of the surrogate, as in ``registry.SURROGATES``.
        settings: Its settings.
        observations: What it is trained on; the weight of a Gaussian process grows with them.
        coordinates: Coordinates of a point, for the surrogates that learn from points.

    Raises:
        ConfigurationError: If there is no such surrogate, or it cannot take the settings.
    """
    return _MODELS[surrogate](make_surrogate(surrogate, settings), observations, coordinates)


def _mpnn(model: Mpnn, observations: int, coordinates: int) -> int:
    scale = 2 * _DOUBLE
    return scale + _SINGLE * sum(math.prod(shape) for shape in weight_shapes(model.width, model.steps).values())


def _environments(model: Any, observations: int, coordinates: int) -> int:
    # In random molecules of MOSES: 100 have about 430, 1,000 about 940, of which 30 have radius 0.
    known, kinds = 140.0 * observations**0.28, 30
    return int(_DOUBLE * (2 * known + 3 * (kinds + 1)))


def _fingerprint(model: Any, observations: int, coordinates: int) -> int:
    intercept = _DOUBLE
    return intercept + _SINGLE * HASH_SIZE + 3 * _DOUBLE * 2 * len(DESCRIPTORS)


def _gaussian_process(model: GaussianProcess, observations: int, coordinates: int) -> int:
    numbers = 4  # amplitude, noise, mean and scale
    scales = 3 * coordinates  # length scales, centre and widths
    return _DOUBLE * (numbers + scales + observations * (coordinates + 1) + model.prior_features * (coordinates + 2))


_MODELS: Mapping[str, Callable[[Any, int, int], int]] = {
    'mpnn': _mpnn,
    'environments': _environments,
    'fingerprint': _fingerprint,
    'gaussian_process': _gaussian_process,
}
