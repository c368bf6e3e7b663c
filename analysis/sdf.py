"""Molecules as an SD file, with values and geometries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from scoutbee.traces.errors import TraceError

if TYPE_CHECKING:
    from .run import Run

State = Literal['neutral', 'cation']
"""A charge state; simulations of molecules return the geometry of each (``simulation.records.StateRecord``)."""

_CHOICE = ('ranking', 'generation', 'mean', 'std', 'score')


def write_sdf(run: Run, path: Path, state: State = 'neutral') -> int:
    """Write every observed molecule, in the order in which they were observed.

    A molecule carries as properties its ``key``, ``value`` and ``order``, why it was chosen (``choice_*``), every plain
    fact that the simulation returned, and those of the charge state (``neutral_energy_hartree``, …). One whose
    simulation returned no geometry (values that were looked up) has none here.

    Args:
        run: The run.
        path: The file.
        state: Whose geometry to write. The bonds and charges drawn are those of the SMILES.

    Returns:
        Number of molecules written.

    Raises:
        TraceError: If the run has no molecules, RDKit is missing, or the file cannot be written.
    """
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise TraceError(f'Writing {path} needs RDKit, which is not installed: {error}') from error
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('w', encoding='utf-8') as file, rdBase.BlockLogs(), Chem.SDWriter(file) as writer:
            for observation in run.observations.to_dict('records'):
                molecule = _molecule(Chem, observation, run.output(observation['line_offset']), state)
                if molecule is not None:
                    writer.write(molecule)
                    count += 1
    except OSError as error:
        raise TraceError(f'Cannot write {path}: {error.strerror or error}.') from error
    if not count:
        path.unlink()
        raise TraceError(f'{run.path} has no observed molecules: expected keys that are SMILES.')
    return count


def _molecule(chem: Any, observation: Mapping[Any, Any], output: Mapping[str, Any], state: State) -> Any:
    graph = chem.MolFromSmiles(str(output.get('smiles') or observation['key']))
    if graph is None or not graph.GetNumAtoms():
        return None
    facts = output.get(state) or {}
    coordinates, symbols = facts.get('coordinates_angstrom'), output.get('symbols')
    if coordinates and symbols:
        # The simulation adds hydrogens to the same SMILES in the same way, so the atoms stand in the same order.
        full = chem.AddHs(graph)
        if [atom.GetSymbol() for atom in full.GetAtoms()] == symbols:
            graph = full
            graph.AddConformer(_conformer(chem, coordinates), assignId=True)
    graph.SetProp('_Name', str(observation['key']))
    for name, value in _properties(observation, output, state).items():
        graph.SetProp(name, str(value))
    return graph


def _conformer(chem: Any, coordinates: list[list[float]]) -> Any:
    conformer = chem.Conformer(len(coordinates))
    conformer.Set3D(True)
    for atom, place in enumerate(coordinates):
        conformer.SetAtomPosition(atom, place)
    return conformer


def _properties(observation: Mapping[Any, Any], output: Mapping[str, Any], state: State) -> dict[str, Any]:
    names = ('order', 'key', 'value', *(f'choice_{name}' for name in _CHOICE))
    known = {name: observation[name] for name in names}
    plain = {name: value for name, value in output.items() if isinstance(value, (str, int, float))}
    facts = output.get(state) or {}
    mine = {f'{state}_{name}': value for name, value in facts.items() if isinstance(value, (str, int, float))}
    return {name: value for name, value in {**known, **plain, **mine}.items() if not pd.isna(value)}
