"""The functions that ``train`` and ``infer`` workers run. Plain data in, plain data out.

Arguments may arrive as transparent ProxyStore proxies. They are unwrapped here once, so that surrogates see real
objects; nothing of ProxyStore is imported for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError, TaskError
from scoutbee.contracts.learning import ModelArtifact

from .registry import make_surrogate
from .surrogate import TrainingData

T = TypeVar('T')


def train(
    data: TrainingData[Any],
    surrogate: str,
    settings: Mapping[str, Any],
    member: int,
    seed: int,
    previous: ModelArtifact | None = None,
) -> ModelArtifact:
    """Train one ensemble member.

    Args:
        data: What to learn from; ``n`` observations.
        surrogate: Name of the surrogate, as in ``registry.SURROGATES``.
        settings: Its settings.
        member: Which member of the ensemble.
        seed: Seed of the campaign.
        previous: The member's last model, for surrogates that start from it.

    Raises:
        ConfigurationError: If the surrogate or its settings are unknown.
        TaskError: If training came to nothing usable.
    """
    model = make_surrogate(surrogate, unwrap(settings))
    last = None if previous is None else unwrap(previous)
    return model.train(unwrap(data), member=member, seed=seed, previous=last)


def infer(artifact: ModelArtifact, features: Any) -> NDArray[np.float32]:
    """Predict with one trained model.

    Args:
        artifact: The model; it names its surrogate, and ``config['settings']`` holds the surrogate's settings.
        features: The candidates, ``n``, as the surrogate's featurizer makes them.

    Returns:
        Predicted values, shape (n,), in the unit the model was trained on.

    Raises:
        ConfigurationError: If the surrogate or its settings are unknown.
        InputTaskError: If the model does not fit its surrogate or the features, or predicts what is not finite.
    """
    artifact, features = unwrap(artifact), unwrap(features)
    model = make_surrogate(artifact.surrogate, artifact.config.get('settings', {}))
    predicted = np.asarray(model.predict(artifact, features), dtype=np.float32)
    if predicted.shape != (len(features),):
        raise TaskError(
            f'Expected one prediction for each of {len(features)} candidates from the surrogate '
            f'{artifact.surrogate!r}, got shape {predicted.shape}.'
        )
    bad = np.flatnonzero(~np.isfinite(predicted))
    if len(bad):
        raise InputTaskError(
            f'Expected finite predictions from the surrogate {artifact.surrogate!r}, got {len(bad)} of '
            f'{len(predicted)} that are not, the first for row {bad[0]} of the chunk; train the model again.'
        )
    return predicted


def unwrap(obj: T) -> T:
    """What a transparent proxy stands for; anything else as it is."""
    # ProxyStore's proxies resolve themselves when asked for this; no other object has it.
    target: T = getattr(obj, '__proxy_wrapped__', obj)
    return target
