"""Force fields for a first geometry and a first guess of how stiff a molecule is, by RDKit."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.units import kcal, mol
from numpy.typing import NDArray
from rdkit.Chem import rdForceFieldHelpers
from rdkit.Geometry import Point3D

_SHIFT = 0.002
"""Angstrom to either side for a difference of gradients: a Hessian from 0.002 is symmetric to 2e-5 of its largest."""


def pre_relax(graph: Any) -> tuple[str, bool | None]:
    """Relax the conformer in place by the best force field that knows its atoms; its name, whether it converged."""
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(graph):
        return 'MMFF94', rdForceFieldHelpers.MMFFOptimizeMolecule(graph) == 0
    if rdForceFieldHelpers.UFFHasAllMoleculeParams(graph):
        return 'UFF', rdForceFieldHelpers.UFFOptimizeMolecule(graph) == 0
    return 'none', None


def stiffness(graph: Any, name: str) -> NDArray[np.float64] | None:
    """Second derivatives of a force field's energy at the graph's conformer, by central differences of its gradient.

    Args:
        graph: An RDKit molecule with one conformer, which is moved and put back.
        name: Force field, as ``pre_relax`` names it.

    Returns:
        Shape (3 atoms, 3 atoms), in eV per square angstrom; None where there is no force field or a value is not
        finite.
    """
    if name == 'none':
        return None
    field, conformer = _field(graph, name), graph.GetConformer()
    places = conformer.GetPositions()
    rows = []
    for atom, place in enumerate(places):
        for axis in range(3):
            ends = []
            for shift in (_SHIFT, -_SHIFT):
                moved = place.copy()
                moved[axis] += shift
                conformer.SetAtomPosition(atom, Point3D(*moved))
                # Without this RDKit takes the gradient with the distances of the last place.
                field.Initialize()
                ends.append(np.array(field.CalcGrad()))
            rows.append((ends[0] - ends[1]) / (2 * _SHIFT))
        conformer.SetAtomPosition(atom, Point3D(*place))
    derivatives = np.array(rows, dtype=np.float64) * (kcal / mol)
    return (derivatives + derivatives.T) / 2 if np.isfinite(derivatives).all() else None


def _field(graph: Any, name: str) -> Any:
    if name == 'MMFF94':
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(graph)
        return rdForceFieldHelpers.MMFFGetMoleculeForceField(graph, properties)
    return rdForceFieldHelpers.UFFGetMoleculeForceField(graph)
