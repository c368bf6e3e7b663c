"""Surrogates under test, each with a problem it is made for."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoutbee.models.registry import make_surrogate
from scoutbee.models.surrogate import TrainingData

MOLECULES = Path(__file__).parent / 'molecules.csv'


def ackley(points):
    """The Ackley function with its usual constants, for points of shape (n, d)."""
    distance = np.sqrt((points**2).mean(axis=1))
    return 20 + np.e - 20 * np.exp(-0.2 * distance) - np.exp(np.cos(2 * np.pi * points).mean(axis=1))


def read_molecules():
    """SMILES, and their GFN2-xTB adiabatic ionization potentials in eV."""
    with MOLECULES.open(newline='') as file:
        rows = list(csv.DictReader(file))
    return [row['smiles'] for row in rows], np.array([float(row['ip_adiabatic_ev']) for row in rows])


@dataclass
class Case:
    """A surrogate, candidates it can learn from, and their values."""

    surrogate: Any
    inputs: list[Any]
    values: np.ndarray
    trained: int

    @cached_property
    def features(self):
        return self.surrogate.featurizer.featurize(self.inputs)

    def data(self, rows=None):
        rows = np.arange(self.trained) if rows is None else rows
        return TrainingData(self.features.take(rows), self.values[rows])

    def held_out(self):
        rows = np.arange(self.trained, len(self.values))
        return self.features.take(rows), self.values[rows]


def make_case(name):
    if name == 'gaussian_process':
        points = np.random.default_rng(5).uniform(-32.768, 32.768, (400, 4))
        return Case(make_surrogate(name, {'restarts': 1}), points.tolist(), ackley(points), 150)
    smiles, values = read_molecules()
    settings = {
        'environments': {},
        'fingerprint': {'processes': 1},
        'mpnn': {'num_epochs': 30, 'width': 32, 'steps': 3},
    }
    return Case(make_surrogate(name, settings[name]), smiles, values, 250)


@pytest.fixture(
    scope='session',
    params=['environments', 'fingerprint', 'gaussian_process', pytest.param('mpnn', marks=pytest.mark.slow)],
)
def case(request):
    return make_case(request.param)


@pytest.fixture(scope='session')
def model(case):
    return case.surrogate.train(case.data(), member=0, seed=1)


@pytest.fixture(scope='session')
def molecules():
    return read_molecules()


@pytest.fixture(scope='session')
def ackley_function():
    return ackley
