"""What a report needs beyond the trace, kept beside it so that the report can be written again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from scoutbee.contracts.candidates import Objective
from scoutbee.traces.errors import TraceError
from scoutbee.traces.summary import Summary, replace_file

INPUTS_FILE = 'report.json'


class ReportInputs(BaseModel):
    """All of ``report.json``; values are in ``unit``."""

    model_config = ConfigDict(extra='forbid')

    schema_version: Literal[1] = 1
    name: str
    unit: str
    maximize: bool
    threshold: float | None
    reference_values: list[float]

    @classmethod
    def of(cls, objective: Objective, reference_values: Sequence[float]) -> ReportInputs:
        """From what :func:`~scoutbee.analysis.report.write_report` is given."""
        return cls(
            name=objective.name,
            unit=objective.unit,
            maximize=objective.maximize,
            threshold=objective.threshold,
            reference_values=list(reference_values),
        )

    @property
    def objective(self) -> Objective:
        """What was looked for."""
        return Objective(name=self.name, unit=self.unit, maximize=self.maximize, threshold=self.threshold)


def write_inputs(run_dir: Path, inputs: ReportInputs) -> None:
    """Write ``report.json``.

    Raises:
        TraceError: If it cannot be written.
    """
    replace_file(Path(run_dir) / INPUTS_FILE, inputs.model_dump_json() + '\n')


def read_inputs(run_dir: Path) -> ReportInputs | None:
    """What the last report of a run was written from, or None where it had none.

    Raises:
        TraceError: If the file holds something else.
    """
    path = Path(run_dir) / INPUTS_FILE
    try:
        return ReportInputs.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise TraceError(f'Cannot use {path}; delete it to write the report without it. {error}') from error


def guessed_inputs(summary: Summary | None) -> ReportInputs:
    """The best guess for a run whose driver died before its first report: a value to maximize.

    The unit and threshold come from the summary, where there is one.
    """
    best, threshold = (summary.best, summary.target.threshold) if summary else ([], None)
    unit = best[0].unit if best else ''
    return ReportInputs(name='value', unit=unit, maximize=True, threshold=threshold, reference_values=[])
