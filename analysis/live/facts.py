"""What the other files of a run directory say of it: its settings, what it looks for, how it ended."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scoutbee.contracts.candidates import Objective
from scoutbee.traces.errors import TraceError
from scoutbee.traces.summary import SUMMARY_FILE, Summary, read_summary

from ..inputs import INPUTS_FILE, ReportInputs, guessed_inputs, read_inputs

PARAMS_FILE = 'params.yaml'
"""The settings of a run, written before anything is started."""


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run beside its ledger.

    Attributes:
        objective: What it looks for; a guess where no file says.
        reference_values: Known values of the search space, in the objective's unit.
        params: Its settings.
        summary: What it came to, once it has ended.
    """

    objective: Objective
    reference_values: tuple[float, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    summary: Summary | None = None

    @property
    def campaign(self) -> str:
        """Name of the campaign."""
        return str(self.params.get('campaign') or (self.summary.campaign if self.summary else 'campaign'))

    @property
    def site(self) -> str:
        """Where it runs."""
        return Path(str(self.params.get('site') or (self.summary.site if self.summary else ''))).stem

    @property
    def seed(self) -> int | None:
        """Seed of everything random."""
        seed = self.params.get('seed')
        return seed if isinstance(seed, int) else None

    @property
    def search_size(self) -> int | None:
        """Simulations it was to do when it began."""
        size = self.params.get('search_size')
        return size if isinstance(size, int) else None


def read_facts(run_dir: Path) -> RunFacts:
    """Read what there is; a file that is missing or cannot be read is as good as none."""
    summary: Summary | None = None
    inputs: ReportInputs | None = None
    with contextlib.suppress(TraceError):
        summary = read_summary(run_dir)
    with contextlib.suppress(TraceError):
        inputs = read_inputs(run_dir)
    inputs = inputs or guessed_inputs(summary)
    return RunFacts(inputs.objective, tuple(inputs.reference_values), _params(run_dir), summary)


def stamp_of(run_dir: Path) -> tuple[int, ...]:
    """Something that changes when any of these files does."""
    return tuple(_changed(run_dir / name) for name in (INPUTS_FILE, PARAMS_FILE, SUMMARY_FILE))


def _params(run_dir: Path) -> Mapping[str, Any]:
    try:
        params = yaml.safe_load((run_dir / PARAMS_FILE).read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return params if isinstance(params, dict) else {}


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
