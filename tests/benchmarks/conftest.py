from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """The folder of the benchmarks, which are scripts: what lies beside them is imported by its bare name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return BENCHMARKS
