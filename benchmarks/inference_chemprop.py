"""Chemprop 2 as a contender: its own predictor and data loading. Runs where Chemprop is installed, without Scoutbee.

python inference_chemprop.py SMILES_FILE WIDTH STEPS
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chemprop import data, featurizers, models, nn
from contenders import serve, timed
from lightning import pytorch as pl

Ways = Mapping[str, Callable[[], Any]]


class Predictor:
    """Untrained networks, which take as long as trained ones, and the ways in which Chemprop can feed them."""

    def __init__(self, smiles: list[str], width: int, steps: int) -> None:
        """Keep the molecules."""
        self._smiles, self._width, self._steps = smiles, width, steps
        self._best: dict[str, str] = {}

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Time a prediction the way that was fastest when all were tried."""
        ways = self._ways(self._smiles[: request['molecules']], request['models'])[request['source']]
        key = f'{request["source"]} {request["models"]}'
        if key not in self._best:
            tried = {name: timed(make())['seconds'] for name, make in ways.items()}
            self._best[key] = min(tried, key=tried.__getitem__)
        return {**timed(ways[self._best[key]]()), 'way': self._best[key]}

    def _ways(self, smiles: list[str], count: int) -> Mapping[str, Ways]:
        """For each source, by name: what prepares a prediction of ``count`` models and returns the work to be timed."""
        networks = [network(self._width, self._steps) for _ in range(count)]
        batches = [(256, 0), (1024, 0), (256, 2)]

        def cached(batch: int, workers: int) -> Callable[[], Any]:
            dataset = graphs(smiles)
            dataset.cache = True
            return lambda: self._predict(networks, dataset, batch, workers)

        def plain(batch: int, workers: int) -> Callable[[], Any]:
            def work() -> None:
                dataset = graphs(smiles)
                # One model reads each molecule once; several are better served from a cache.
                dataset.cache = count > 1
                self._predict(networks, dataset, batch, workers)

            return work

        def compiled(batch: int, workers: int) -> Callable[[], Any]:
            def work() -> None:
                points = [data.LazyMoleculeDatapoint(smiles=text) for text in smiles]
                featurizer = featurizers.CuikmolmakerMolGraphFeaturizer(atom_featurizer_mode='V2')
                self._predict(networks, data.CuikmolmakerDataset(points, featurizer), batch, workers)

            return work

        def named(name: str, make: Callable[[int, int], Callable[[], Any]]) -> dict[str, Callable[[], Any]]:
            def bound(batch: int, workers: int) -> Callable[[], Any]:
                return lambda: make(batch, workers)

            return {f'{name}, batch {b}, {w} workers': bound(b, w) for b, w in batches}

        return {
            'features': named('cached graphs', cached),
            'smiles': {**named('RDKit', plain), **named('cuik-molmaker', compiled)},
        }

    def _predict(self, networks: list[Any], dataset: Any, batch: int, workers: int) -> None:
        keep = {'persistent_workers': True} if workers else {}
        loader = data.build_dataloader(dataset, batch, workers, shuffle=False, drop_last=False, **keep)
        predicting = trainer()
        for one in networks:
            predicting.predict(one, loader)


def graphs(smiles: list[str]) -> Any:
    """Molecules as Chemprop's data set, whose graphs are made when they are read, and kept if ``cache`` is set."""
    return data.MoleculeDataset([data.MoleculeDatapoint.from_smi(text, [0.0]) for text in smiles])


def network(width: int, steps: int) -> Any:
    """An untrained network as wide and deep as Scoutbee's."""
    messages = nn.BondMessagePassing(d_h=width, depth=steps)
    head = nn.RegressionFFN(input_dim=width, hidden_dim=width, n_layers=1)
    return models.MPNN(messages, nn.MeanAggregation(), head)


def trainer(epochs: int = 1) -> Any:
    """Chemprop's trainer, on processors, writing and showing nothing."""
    return pl.Trainer(
        accelerator='cpu', max_epochs=epochs, logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False,
    )  # fmt: skip


def quieten() -> None:
    """Keep hints of Lightning off the screen."""
    warnings.filterwarnings('ignore')
    for name in ('lightning', 'lightning.pytorch', 'lightning.pytorch.utilities.rank_zero', 'chemprop'):
        logging.getLogger(name).setLevel(logging.ERROR)


def main() -> None:
    """Serve predictions."""
    quieten()
    path, width, steps = sys.argv[1:]
    serve(Predictor(Path(path).read_text().split(), int(width), int(steps)).answer)


if __name__ == '__main__':
    main()
