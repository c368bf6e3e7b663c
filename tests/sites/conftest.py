from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'driver')]  # slurm_cluster, campaign_runs

from campaign_runs import CampaignRuns  # noqa: E402


@pytest.fixture
def runs(tmp_path):
    """Runs of `run.py` in an empty folder, followed from outside."""
    made = CampaignRuns(tmp_path)
    yield made
    made.close()
