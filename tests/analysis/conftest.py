"""Synthetic run directories with realistic numbers, written through the real writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scoutbee.contracts.candidates import Objective
from scoutbee.testing.synthetic_run import IP, SyntheticRun


@pytest.fixture
def synthetic(tmp_path: Path) -> Callable[..., SyntheticRun]:
    """A maker of synthetic runs; arguments as the fields of ``SyntheticRun``."""
    return lambda name='run', **settings: SyntheticRun(tmp_path / name, **settings)


@pytest.fixture
def objective() -> Objective:
    return IP


@pytest.fixture(scope='session')
def reference_values() -> list[float]:
    """Values a random pick of the search space might have."""
    return np.random.default_rng(1).normal(12.2, 0.6, size=400).tolist()
