"""The functions that ``train`` and ``infer`` workers run. Plain data in, plain data out.

Arguments may arrive as transparent ProxyStore proxies. They are unwrapped here once, so that surrogates see real
objects; nothing of ProxyStore is imported for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def infer(artifacts: Sequence[ModelArtifact], features: Any) -> NDArray[np.float32]:
    """Predict with several trained models together, which share what is the same for all of them.

    Args:
        artifacts: The models; each names its surrogate, and its ``config['settings']`` holds the surrogate's settings.
        features: The candidates, ``n``, as the surrogate's featurizer makes them.

    Returns:
        Predicted values, shape (models, n), in the unit the models were trained on.

    Raises:
        ConfigurationError: If the surrogate or its settings are unknown.
        InputTaskError: If there is no model, or they are not all of one surrogate, or one does not fit its surrogate
            or the features, or predicts what is not finite.
    """
    models, candidates = [unwrap(artifact) for artifact in artifacts], unwrap(features)
    surrogates = sorted({model.surrogate for model in models})
    if len(surrogates) != 1:
        raise InputTaskError(
            f'Expected models of one surrogate to ask together, got {surrogates or "no model"}; ask those of each '
            'surrogate alone.'
        )
    predicted = np.empty((len(models), len(candidates)), dtype=np.float32)
    for places in _same_settings(models):
        predicted[places] = _predict([models[place] for place in places], candidates)
    _check_finite(predicted, surrogates[0])
    return predicted


def _same_settings(models: Sequence[ModelArtifact]) -> list[list[int]]:
    """Which models have the same settings; places in ``models``, each once."""
    groups: list[list[int]] = []
    for place, model in enumerate(models):
        settings = model.config.get('settings', {})
        for group in groups:
            if models[group[0]].config.get('settings', {}) == settings:
                group.append(place)
                break
        else:
            groups.append([place])
    return groups


def _predict(models: Sequence[ModelArtifact], candidates: Any) -> NDArray[np.float32]:
    """Predictions of models with the same settings, shape (models, n)."""
    name = models[0].surrogate
    surrogate = make_surrogate(name, models[0].config.get('settings', {}))
    predicted = np.asarray(surrogate.predict(models, candidates), dtype=np.float32)
    if predicted.shape != (len(models), len(candidates)):
        raise TaskError(
            f'Expected predictions of {len(models)} models for each of {len(candidates)} candidates from the '
            f'surrogate {name!r}, got shape {predicted.shape}.'
        )
    return predicted


def _check_finite(predicted: NDArray[np.float32], surrogate: str) -> None:
    bad = np.argwhere(~np.isfinite(predicted))
    if len(bad):
        model, row = bad[0]
        raise InputTaskError(
            f'Expected finite predictions from the surrogate {surrogate!r}, got {len(bad)} of {predicted.size} that '
            f'are not, the first for row {row} of the chunk by model {model + 1} of {len(predicted)} that were asked; '
            'train that model again.'
        )


def unwrap(obj: T) -> T:
    """What a transparent proxy stands for; anything else as it is."""
    # ProxyStore's proxies resolve themselves when asked for this; no other object has it.
    target: T = getattr(obj, '__proxy_wrapped__', obj)
    return target
