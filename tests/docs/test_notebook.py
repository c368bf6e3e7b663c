"""The notebook, run on small runs made here, and as it is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from scoutbee.analysis.inputs import ReportInputs, write_inputs
from scoutbee.testing import small_ledger
from scoutbee.testing.synthetic_run import IP, SyntheticRun

NOTEBOOK = Path(__file__).parents[2] / 'docs' / 'analysis.ipynb'

DRAWS = 'plt.subplots('

LABELLED = """
for _axes in plt.gcf().axes:
    _named = [_axes.get_ylabel()] if _axes.get_label() == '<colorbar>' else [_axes.get_xlabel(), _axes.get_ylabel()]
    assert all(_named), f'Expected both axes to say what they show, got {_named}.'
"""


def finished(run_dir: Path) -> None:
    SyntheticRun(run_dir).write()
    write_inputs(run_dir, ReportInputs.of(IP, np.random.default_rng(1).normal(12.2, 0.6, 200).tolist()))


def cut_short(run_dir: Path) -> None:
    """Its driver died before the first round was over, and it never said what was looked for."""
    SyntheticRun(run_dir).write(upto=60)


@pytest.fixture
def kernel_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel keeps goes into the test's own folder."""
    for name in ('IPYTHONDIR', 'JUPYTER_RUNTIME_DIR', 'JUPYTER_CONFIG_DIR', 'MPLCONFIGDIR'):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def outputs(cell: NotebookNode) -> list[NotebookNode]:
    return cell.get('outputs', [])


def figure_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == 'code' and DRAWS in cell.source]


def assert_shows_its_figures(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        assert not [said for said in outputs(cell) if said.output_type == 'error' or said.get('name') == 'stderr']
    for cell in figure_cells(notebook):
        assert any('image/png' in said.get('data', {}) for said in outputs(cell)), cell.source
    assert len(figure_cells(notebook)) >= 4


def executed(folder: Path) -> NotebookNode:
    """The notebook, run with a folder as its own."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in figure_cells(notebook):
        # Looked at before the end of the cell, where its figure is shown and closed.
        before, shown, after = cell.source.partition('plt.show()')
        cell.source = f'{before}{LABELLED}{shown}{after}'
    return NotebookClient(notebook, timeout=120, resources={'metadata': {'path': str(folder)}}).execute()


@pytest.mark.slow
@pytest.mark.usefixtures('kernel_at_home')
@pytest.mark.parametrize('make', [finished, cut_short])
def test_it_draws_every_figure_of_a_run_that(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / 'run')
    monkeypatch.setenv('SCOUTBEE_RUN', str(tmp_path / 'run'))
    assert_shows_its_figures(executed(tmp_path))


@pytest.mark.slow
@pytest.mark.usefixtures('kernel_at_home')
def test_where_none_is_named_it_shows_the_newest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('SCOUTBEE_RUN', raising=False)
    for age, name in enumerate(['b-newest', 'a-old', 'c-older']):
        run_dir = small_ledger.write(tmp_path / 'runs' / name, small_ledger.campaign())
        os.utime(run_dir / 'events.jsonl', (small_ledger.START - age,) * 2)
    notebook = executed(tmp_path)
    assert_shows_its_figures(notebook)
    assert 'b-newest' in str(notebook)


def test_it_is_kept_with_its_figures_and_nothing_of_the_machine() -> None:
    assert NOTEBOOK.stat().st_size < 600_000
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert_shows_its_figures(notebook)
    told = [text for cell in notebook.cells for said in outputs(cell) for text in said.get('data', {}).items()]
    for kind, text in told:
        if kind.startswith('text/'):
            assert not re.search(r'(?<![<\w])/(home|root|tmp|work|Users|opt|usr|mnt|scratch)\b', text)
