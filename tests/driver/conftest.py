from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scoutbee.driver.cli import main

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # campaign_runs

from campaign_runs import CampaignRuns  # noqa: E402


@pytest.fixture
def runs(tmp_path):
    """Runs of `run.py` in an empty folder, followed from outside."""
    made = CampaignRuns(tmp_path)
    yield made
    made.close()


@pytest.fixture
def run_py(tmp_path):
    """Runs `run.py` as a person would, in an empty folder; returns the finished process."""

    def run(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith('SCOUTBEE_')}
        return subprocess.run(
            [sys.executable, str(ROOT / 'run.py'), *flags],
            cwd=tmp_path,
            env={**clean, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """The same without a new process, for the many cases; returns status, output and errors."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith('SCOUTBEE_'):
            monkeypatch.delenv(name)

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        status = main(flags)
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(flags, status, out, err)

    return run
