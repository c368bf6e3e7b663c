"""The surrogate ``mpnn``: a message-passing network on molecular graphs. Keras does its work on accelerators alone."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from scoutbee.contracts.errors import InputTaskError
from scoutbee.contracts.learning import ModelArtifact

from .accelerators import has_accelerator
from .graph_featurizer import GraphFeaturizer
from .graphs import MoleculeGraphs
from .mpnn_inference import predict_scaled
from .mpnn_numpy_engine import NumpyEngine
from .mpnn_training import Engine, Schedule, fit, split
from .mpnn_weights import HEADS, check_weights, initial_weights, rescale_output
from .surrogate import TrainingData

NAME = 'mpnn'


class Mpnn(BaseModel):
    """Settings of the message-passing network; the defaults suit a few hundred to a few thousand molecules."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    width: int = Field(64, ge=HEADS, le=1024, multiple_of=HEADS, description='Numbers that describe an atom.')
    steps: int = Field(4, ge=1, le=16, description='Rounds of messages between bonded atoms.')
    dropout: float = Field(0.1, ge=0, lt=1, description='Share of numbers dropped while training.')
    learning_rate: float = Field(5e-3, gt=0, le=1, description='Highest learning rate.')
    weight_decay: float = Field(1e-4, ge=0, lt=1, description='Decay of the weights, times the learning rate.')
    num_epochs: int | None = Field(
        None, ge=1, description='Most passes over the training data; if not given, enough for about 900 steps.'
    )
    batch_size: int | None = Field(
        None, ge=1, description='Molecules between two steps; if not given, a 16th of the data, from 8 to 32.'
    )
    patience: int | None = Field(
        None, ge=1, description='Epochs without a better validation error that end training; half of all if not given.'
    )
    validation_fraction: float = Field(0.1, ge=0, le=0.5, description='Share of the data held out for validation.')
    time_limit_seconds: float | None = Field(None, gt=0, description='Training stops after this long.')

    @property
    def name(self) -> str:
        """Name under which ``models.registry`` finds it."""
        return NAME

    @property
    def featurizer(self) -> GraphFeaturizer:
        """Makes graphs of SMILES."""
        return GraphFeaturizer()

    def train(
        self,
        data: TrainingData[MoleculeGraphs],
        *,
        member: int,
        seed: int,
        previous: ModelArtifact | None = None,
    ) -> ModelArtifact:
        """Train one ensemble member; see ``Surrogate.train``.

        Values that are all the same are learned as that constant.

        Raises:
            InputTaskError: If ``previous`` cannot be started from.
            ConvergenceTaskError: If training diverged.
        """
        started = time.monotonic()
        rng = np.random.default_rng([seed, member, len(data.values)])
        rows = split(len(data.values), self.validation_fraction, member, seed)
        scale = _scale(data.values[rows[0]])
        targets = ((data.values - scale[0]) / scale[1]).astype(np.float32)
        weights = self._first_weights(previous, scale, rng)
        network = self._engine()
        with network.reserved():
            result = fit(network, weights, data.features, targets, rows, self.schedule(len(rows[0])), rng)
        metrics = {
            **result.metrics,
            'validation_rmse': result.metrics['validation_rmse'] * scale[1],
            'observations': float(len(data.values)),
            'warm_started': float(previous is not None),
            'seconds': time.monotonic() - started,
        }
        config = {'settings': self.model_dump(mode='json'), 'features': self.featurizer.name}
        arrays: dict[str, NDArray[Any]] = {**result.weights, 'target_scale': np.asarray(scale, dtype=np.float64)}
        return ModelArtifact(NAME, config, arrays, metrics)

    def check(self, artifact: ModelArtifact) -> None:
        """See whether a model can be used; see ``Surrogate.check``.

        Raises:
            InputTaskError: If it cannot.
        """
        _read(artifact)

    def predict(self, artifacts: Sequence[ModelArtifact], features: MoleculeGraphs) -> NDArray[np.float32]:
        """Predicted values of all models, shape (models, n), in the unit each was trained on.

        Raises:
            InputTaskError: If an artifact is not an ``mpnn`` model of these features, or does not fit its settings.
        """
        predicted = np.empty((len(artifacts), len(features)), dtype=np.float32)
        members = [_read(artifact) for artifact in artifacts]
        shapes = [(model.width, model.steps) for model, _, _ in members]
        for shape in dict.fromkeys(shapes):
            alike = [row for row, other in enumerate(shapes) if other == shape]
            predicted[alike] = _predict_alike([members[row] for row in alike], features)
        return predicted

    def opening(self, data: TrainingData[MoleculeGraphs], features: MoleculeGraphs) -> NDArray[np.float32]:
        """What a linear model of the same graphs predicts, shape (n,); see ``Opener.opening``.

        Raises:
            TaskError: If it comes to nothing usable.
        """
        from .environment_ridge import EnvironmentRidge

        return EnvironmentRidge.fit(data).predict(features)

    def _engine(self) -> Engine:
        """What trains: Keras where there is an accelerator."""
        if has_accelerator():
            from .mpnn_engine import engine

            return engine(self.width, self.steps, self.dropout, self.weight_decay)
        return NumpyEngine(self.width, self.steps, self.dropout, self.weight_decay)

    def schedule(self, count: int) -> Schedule:
        """How long and how fast to train on ``count`` molecules."""
        # Measured on 1,000 MOSES molecules: 900 steps are enough for 100 labels and for 800, in some ten seconds, and
        # few labels want small batches; a fixed number of epochs leaves the first models of a campaign untrained.
        size = self.batch_size or min(32, max(8, count // 16))
        epochs = self.num_epochs or min(200, max(30, math.ceil(900 / math.ceil(count / size))))
        patience = self.patience or max(10, epochs // 2)
        return Schedule(self.learning_rate, epochs, size, patience, self.time_limit_seconds)

    def _first_weights(
        self, previous: ModelArtifact | None, scale: tuple[float, float], rng: np.random.Generator
    ) -> Mapping[str, NDArray[np.float32]]:
        if previous is None:
            return initial_weights(self.width, self.steps, rng)
        model, weights, old = _read(previous)
        if (model.width, model.steps) != (self.width, self.steps):
            raise InputTaskError(
                f'Expected a model {self.width} wide with {self.steps} steps to start from, got one {model.width} wide '
                f'with {model.steps}; use its width and steps, or start from scratch.'
            )
        return rescale_output(weights, old, scale)


_Member = tuple[Mpnn, dict[str, NDArray[np.float32]], tuple[float, float]]


def _scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation to scale by; 1 for a deviation that is nothing but rounding."""
    mean, deviation = float(values.mean()), float(values.std())
    return mean, deviation if deviation > 1e-12 * float(np.abs(values).max()) else 1.0


def _predict_alike(members: Sequence[_Member], features: MoleculeGraphs) -> NDArray[np.float32]:
    """Predictions of members of equal width and steps, shape (models, n)."""
    model, weights = members[0][0], [weights for _, weights, _ in members]
    if has_accelerator():
        from .mpnn_engine import engine

        network = engine(model.width, model.steps, model.dropout, model.weight_decay)
        with network.reserved():
            scaled = network.predict_together(weights, features)
    else:
        scaled = predict_scaled(weights, model.steps, features)
    scales = np.array([scale for _, _, scale in members])
    predicted: NDArray[np.float32] = (scaled.astype(np.float64) * scales[:, 1:] + scales[:, :1]).astype(np.float32)
    return predicted


def _read(artifact: ModelArtifact) -> _Member:
    """A model's settings, weights, and mean and deviation of its targets."""
    features = GraphFeaturizer().name
    if artifact.surrogate != NAME or artifact.config.get('features') != features:
        raise InputTaskError(
            f'Expected an {NAME} model of the features {features!r}, got a model of {artifact.surrogate!r} for '
            f'{artifact.config.get("features")!r}; train a new one.'
        )
    try:
        model = Mpnn(**artifact.config['settings'])
    except (KeyError, TypeError, ValueError) as error:
        raise InputTaskError(f'An {NAME} model has settings that cannot be used: {error}') from error
    scale = artifact.arrays.get('target_scale')
    if scale is None or scale.shape != (2,) or not np.isfinite(scale).all() or scale[1] <= 0:
        raise InputTaskError(f'Expected mean and deviation of the targets in an {NAME} model, got {scale}.')
    return model, check_weights(artifact.arrays, model.width, model.steps), (float(scale[0]), float(scale[1]))
