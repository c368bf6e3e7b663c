"""The surrogate ``environments``: a linear model of atom environments, made from molecular graphs by numpy alone.

It is the quickest to begin with: a space that is featurized for the network serves it too, it trains in a second and
predicts a million and a half molecules in some ten. ``environment_ridge`` has the model, ``posterior`` says what the
members of its ensemble are. Members agree about environments that no observation has, which they pass over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import InputTaskError
from scoutbee.contracts.learning import ModelArtifact

from .blas_threads import one_blas_thread
from .environment_counts import CODES, Vocabulary, kinds_among
from .environment_ridge import EnvironmentRidge, predict_alike
from .graph_featurizer import GraphFeaturizer
from .graphs import MoleculeGraphs
from .posterior import Draw
from .surrogate import TrainingData, alike, expect_model_of

NAME = 'environments'

_ARRAYS = {'codes', 'intercept', 'environment_weights', 'share_means', 'share_scales', 'share_weights'}


@dataclass(frozen=True)
class Environments:
    """Ridge regression on log counts of atom environments and on shares of atom kinds; it has no settings."""

    @property
    def name(self) -> str:
        """``environments``."""
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
        """Train one member, in closed form; what came before is not needed and not looked at.

        Raises:
            TaskError: If the weights do not come out finite.
        """
        started = time.perf_counter()
        with one_blas_thread():
            ridge = EnvironmentRidge.fit(data, Draw.of(member), seed)
        residuals = data.values - ridge.predict(data.features)
        return ModelArtifact(
            surrogate=NAME,
            config={'features': self.featurizer.name},
            arrays={
                'codes': ridge.vocabulary.codes,
                'intercept': np.asarray(ridge.intercept),
                'environment_weights': ridge.environment_weights,
                'share_means': ridge.share_means,
                'share_scales': ridge.share_scales,
                'share_weights': ridge.share_weights,
            },
            metrics={
                'observations': float(len(data.values)),
                'train_rmse': float(np.sqrt(np.mean(residuals**2))),
                'seconds': time.perf_counter() - started,
            },
        )

    def check(self, artifact: ModelArtifact) -> None:
        """See whether a model can be used; see ``Surrogate.check``.

        Raises:
            InputTaskError: If it cannot.
        """
        expect_model_of(NAME, artifact)
        features = artifact.config.get('features')
        if features != self.featurizer.name:
            raise InputTaskError(
                f'Expected an {NAME} model of the features {self.featurizer.name!r}, got one of {features!r}; '
                'train it again.'
            )
        fault = _fault(artifact.arrays)
        if fault is not None:
            raise InputTaskError(f'Expected an {NAME} model that is whole, got {fault}; train it again.')

    def predict(self, artifacts: Sequence[ModelArtifact], features: MoleculeGraphs) -> NDArray[np.float32]:
        """Predicted values, shape (models, n), in the unit of the observations.

        Raises:
            InputTaskError: If an artifact is another surrogate's or damaged, or the features are not graphs.
        """
        for artifact in artifacts:
            self.check(artifact)
        if not isinstance(features, MoleculeGraphs):
            raise InputTaskError(
                f"Expected molecular graphs, got {type(features).__name__}; make them with the surrogate's featurizer."
            )
        predicted = np.empty((len(artifacts), len(features)), dtype=np.float32)
        for places in alike(artifacts, ('codes', 'share_means', 'share_scales')):
            vocabulary = Vocabulary(artifacts[places[0]].arrays['codes'])
            predicted[places] = predict_alike([_ridge(artifacts[place], vocabulary) for place in places], features)
        return predicted

    def opening(self, data: TrainingData[MoleculeGraphs], features: MoleculeGraphs) -> NDArray[np.float32]:
        """What the mean of its posterior predicts, shape (n,); see ``Opener.opening``.

        Raises:
            TaskError: If it comes to nothing usable.
        """
        return EnvironmentRidge.fit(data).predict(features)


def _ridge(artifact: ModelArtifact, vocabulary: Vocabulary) -> EnvironmentRidge:
    parts = {name: artifact.arrays[name] for name in _ARRAYS - {'codes', 'intercept'}}
    return EnvironmentRidge(vocabulary, float(artifact.arrays['intercept']), **parts)


def _fault(arrays: Any) -> str | None:
    """What is wrong with a model's arrays, or None."""
    if set(arrays) != _ARRAYS:
        return f'the arrays {sorted(arrays)} instead of {sorted(_ARRAYS)}'
    codes = arrays['codes']
    if codes.ndim != 1 or codes.dtype.kind != 'i' or (np.diff(codes) <= 0).any():
        return 'codes that do not rise'
    if len(codes) and not 0 <= codes[0] <= codes[-1] < CODES:
        return f'codes beyond {CODES}'
    shares = (kinds_among(codes) + 1,)
    shapes = {'intercept': (), 'environment_weights': codes.shape}
    for name in sorted(_ARRAYS - {'codes'}):
        if arrays[name].shape != shapes.get(name, shares) or not np.isfinite(arrays[name]).all():
            return f'{name} of shape {arrays[name].shape} for {len(codes)} environments, or not finite'
    return None
