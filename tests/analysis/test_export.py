from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scoutbee.analysis import Run
from scoutbee.analysis.__main__ import main
from scoutbee.traces.errors import TraceError
from scoutbee.traces.records import SimulationRecord
from scoutbee.traces.writer import TraceWriter

WATER = [[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]]
CATION = [[0.0, 0.0, 0.2], [0.0, 0.8, -0.4], [0.0, -0.8, -0.4]]


@pytest.fixture
def run_dir(synthetic) -> Path:
    return synthetic(count=40, failures=2).write()


@pytest.mark.parametrize(('format', 'reader'), [('parquet', pd.read_parquet), ('csv', pd.read_csv)])
def test_every_table_is_written_and_reads_back(run_dir: Path, tmp_path: Path, format: str, reader):
    run = Run(run_dir)
    paths = run.export(tmp_path / 'out', format)
    assert {path.stem for path in paths} == set(run.tables)
    for path in paths:
        found, table = reader(path), run.tables[path.stem]
        assert list(found) == list(table)
        assert len(found) == len(table)
    tasks = reader(tmp_path / 'out' / f'tasks.{format}')
    assert tasks['value'].sum() == pytest.approx(run.tasks['value'].sum())
    assert tasks['generation'].dropna().tolist() == run.tasks['generation'].dropna().tolist()
    assert tasks['failure_message'].dropna().tolist() == run.tasks['failure_message'].dropna().tolist()


def test_empty_tables_export_too(tmp_path: Path):
    (tmp_path / 'run').mkdir()
    assert len(Run(tmp_path / 'run').export(tmp_path / 'out')) == len(Run(tmp_path / 'run').tables)


def test_a_format_that_is_not_there(run_dir: Path, tmp_path: Path):
    with pytest.raises(ValueError, match='parquet, csv'):
        Run(run_dir).export(tmp_path, 'xlsx')


def test_a_folder_that_cannot_be_made(run_dir: Path, tmp_path: Path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(TraceError, match='Cannot write the tables'):
        Run(run_dir).export(tmp_path / 'file')


def molecule(key: str, **output) -> SimulationRecord:
    return SimulationRecord(
        task_id=key, method='simulate', success=True, timestamps={}, spans={}, key=key, args=[key], value=18.1,
        outcome='observed', output=output, choice={'ranking': 3, 'mean': 17.9},
    )  # fmt: skip


def state(coordinates: list[list[float]], energy: float) -> dict[str, object]:
    return {'coordinates_angstrom': coordinates, 'energy_hartree': energy}


@pytest.fixture
def molecules(tmp_path: Path) -> Path:
    with TraceWriter(tmp_path / 'run') as writer:
        water = {'smiles': 'O', 'symbols': ['O', 'H', 'H'], 'ip_ev': 18.1}
        writer.write(molecule('O', **water, neutral=state(WATER, -5.07), cation=state(CATION, -4.4)))
        writer.write(molecule('CCO', ip_ev=14.4))
        writer.write(molecule('no molecule'))
    return tmp_path / 'run'


@pytest.mark.parametrize(('charge_state', 'expected'), [('neutral', WATER), ('cation', CATION)])
def test_molecules_are_written_with_values_and_geometries(molecules: Path, tmp_path: Path, charge_state, expected):
    from rdkit import Chem

    assert Run(molecules).to_sdf(tmp_path / 'm.sdf', charge_state) == 2
    water, ethanol = Chem.SDMolSupplier(str(tmp_path / 'm.sdf'), removeHs=False)
    assert [atom.GetSymbol() for atom in water.GetAtoms()] == ['O', 'H', 'H']
    assert water.GetConformer().GetPositions().round(3).tolist() == expected
    assert water.GetDoubleProp('value') == 18.1
    assert water.GetDoubleProp('choice_mean') == 17.9
    assert water.HasProp(f'{charge_state}_energy_hartree')
    assert not water.HasProp('choice_std')
    assert ethanol.GetProp('key') == 'CCO'


def test_a_run_without_molecules_has_no_sdf(synthetic, tmp_path: Path):
    with pytest.raises(TraceError, match='no observed molecules'):
        Run(synthetic(count=5, failures=0, molecules=False).write()).to_sdf(tmp_path / 'm.sdf')
    assert not (tmp_path / 'm.sdf').exists()


def test_the_command_exports(run_dir: Path, molecules: Path, capsys):
    assert main(['export', str(run_dir), '--format', 'csv']) == 0
    assert str(run_dir / 'export' / 'tasks.csv') in capsys.readouterr().out.splitlines()
    assert main(['export', str(molecules), '--format', 'sdf', '--to', str(molecules / 'sdf')]) == 0
    assert sorted(path.name for path in (molecules / 'sdf').iterdir()) == ['molecules-cation.sdf', 'molecules.sdf']


def test_the_command_says_what_is_wrong(run_dir: Path, tmp_path: Path, capsys):
    assert main(['export', str(tmp_path / 'nowhere')]) == 2
    assert 'is not a run directory' in capsys.readouterr().err
    path = run_dir / 'events.jsonl'
    path.write_bytes(path.read_bytes() + b'garbage\n')
    assert main(['export', str(run_dir)]) == 0
    assert 'left out: ' in capsys.readouterr().err
