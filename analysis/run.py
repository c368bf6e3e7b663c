"""A run directory as tidy tables, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scoutbee.contracts.candidates import Objective
from scoutbee.traces.errors import TraceError
from scoutbee.traces.summary import Summary, read_summary

from .inputs import ReportInputs, guessed_inputs, read_inputs

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A run directory, finished, running or crashed.

    Tables are read once, when they are first asked for; make another ``Run`` to see what has been written since. A line
    that is half written at the end of a file is not there yet; other lines that cannot be read are left out and
    described in ``skipped``. A file of another schema version raises :class:`~scoutbee.traces.errors.TraceError`.

    Times are seconds since the epoch, spans seconds, sizes bytes; values are in the objective's unit.

    Attributes:
        path: The run directory.
        skipped: Lines that could not be read, in the tables that were asked for so far, one sentence each.
    """

    def __init__(self, path: Path | str) -> None:
        """Open a run directory.

        Args:
            path: The directory.

        Raises:
            TraceError: If there is no such directory.
        """
        self.path = Path(path)
        self.skipped: list[str] = []
        if not self.path.is_dir():
            raise TraceError(
                f'{self.path} is not a run directory: it is {"a file" if self.path.exists() else "not there"}.'
            )

    @property
    def name(self) -> str:
        """Name of the directory."""
        return self.path.resolve().name

    # -- tables ------------------------------------------------------------------------------------------------------

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """All tasks that came back, by ``seq``; columns are described in ``task_table.TASK_COLUMNS``."""
        return self._tasks_and_objects[0]

    @cached_property
    def objects(self) -> pd.DataFrame:
        """The objects that tasks moved through a store; columns are described in ``task_table.read_tasks``."""
        return self._tasks_and_objects[1]

    @cached_property
    def events(self) -> pd.DataFrame:
        """What the agents decided and noticed; columns ``ledger_tables.EVENT_COLUMNS``."""
        return self._events_and_submissions[0]

    @cached_property
    def submissions(self) -> pd.DataFrame:
        """Every attempt at a simulation that was sent; columns ``ledger_tables.SUBMISSION_COLUMNS``."""
        return self._events_and_submissions[1]

    @cached_property
    def selections(self) -> pd.DataFrame:
        """Every ranking; columns ``ledger_tables.SELECTION_COLUMNS``."""
        return self._selections_and_tops[0]

    @cached_property
    def tops(self) -> pd.DataFrame:
        """The best candidates of each ranking; columns ``ledger_tables.TOP_COLUMNS``."""
        return self._selections_and_tops[1]

    @cached_property
    def models(self) -> pd.DataFrame:
        """Every model that was trained; columns ``ledger_tables.MODEL_COLUMNS`` and ``metric_*``."""
        from .ledger_tables import read_models

        told: list[str] = []  # the tasks tell of the same lines
        return read_models(self.path, told)

    @cached_property
    def observations(self) -> pd.DataFrame:
        """The simulations that gave an observation, one a candidate, in the order they were recorded.

        Columns are those of ``tasks`` that a simulation has, and ``order``, from 1.
        """
        from .outcome import observations

        return observations(self.tasks)

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """Each time a driver worked on the run; columns as ``sessions.find_sessions`` says."""
        from .sessions import find_sessions

        return find_sessions(self.tasks, self.events, self.selections)

    @cached_property
    def spans(self) -> pd.DataFrame:
        """When workers were busy; columns as ``machine.busy_spans`` says."""
        from .machine import busy_spans

        return busy_spans(self.tasks, self.sessions, self.workers)

    @cached_property
    def idle(self) -> pd.DataFrame:
        """When workers were idle, and why; columns as ``idle.idle_times`` says."""
        from .idle import idle_times

        return idle_times(
            self.spans,
            self.sessions,
            self.workers,
            submissions=self.submissions,
            events=self.events,
            models=self.models,
        )

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Every table, by name."""
        names = (
            'tasks', 'observations', 'submissions', 'selections', 'tops', 'models', 'events', 'objects', 'sessions',
            'spans', 'idle',
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def output(self, line_offset: int) -> dict[str, Any]:
        """All that a simulation returned.

        Args:
            line_offset: ``line_offset`` of its row in ``tasks`` or ``observations``.

        Raises:
            TraceError: If it cannot be read.
        """
        from scoutbee.traces.records import SimulationRecord

        from .lines import read_line

        output: dict[str, Any] | None = read_line(self.path, SimulationRecord, int(line_offset))['output']
        return output or {}

    # -- what is known besides -----------------------------------------------------------------------------------

    @cached_property
    def summary(self) -> Summary | None:
        """``summary.json``, or None where the run has not ended, its driver was killed, or another version wrote it."""
        try:
            return read_summary(self.path)
        except TraceError:
            return None

    @cached_property
    def params(self) -> dict[str, Any]:
        """``params.yaml``; empty where there is none that can be read."""
        import yaml

        try:
            loaded = yaml.safe_load((self.path / 'params.yaml').read_text(encoding='utf-8'))
        except (OSError, ValueError, yaml.YAMLError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    @cached_property
    def inputs(self) -> ReportInputs:
        """What was looked for, and the known values of the search space.

        Raises:
            TraceError: If ``report.json`` holds something else.
        """
        return read_inputs(self.path) or guessed_inputs(self.summary)

    @property
    def objective(self) -> Objective:
        """What was looked for; errors as ``inputs``."""
        return self.inputs.objective

    @property
    def workers(self) -> dict[str, int]:
        """Workers by kind of task, as the summary tells; empty where there is none."""
        return {kind: use.workers for kind, use in self.summary.slots.items()} if self.summary else {}

    # -- taking it elsewhere ---------------------------------------------------------------------------------------

    def export(self, folder: Path | str, format: str = 'parquet') -> list[Path]:
        """Write every table to a file of its own; see :func:`~scoutbee.analysis.export.export_tables`."""
        from .export import export_tables

        return export_tables(self.tables, Path(folder), format)

    def to_sdf(self, path: Path | str, state: Literal['neutral', 'cation'] = 'neutral') -> int:
        """Write the observed molecules with values and geometries; see :func:`~scoutbee.analysis.sdf.write_sdf`."""
        from .sdf import write_sdf

        return write_sdf(self, Path(path), state)

    # -- reading ---------------------------------------------------------------------------------------------------

    @cached_property
    def _tasks_and_objects(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        from .columns import joined
        from .task_table import TASK_RECORDS, read_tasks

        read = [read_tasks(self.path, kind, self.skipped) for kind in TASK_RECORDS]
        tasks, objects = (joined([pair[place] for pair in read]) for place in (0, 1))
        return tasks.sort_values('seq', kind='stable', ignore_index=True), objects

    @cached_property
    def _events_and_submissions(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        from .ledger_tables import read_events

        return read_events(self.path, self.skipped)

    @cached_property
    def _selections_and_tops(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        from .ledger_tables import read_selections

        return read_selections(self.path, self.skipped)
