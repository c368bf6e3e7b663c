"""The plain recipe for an ionization potential, Scoutbee's, and the minima that both were on their way to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from ase import Atoms
from ase.optimize import LBFGS
from ase.units import Bohr, Hartree
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from tblite.ase import TBLite
from tblite.interface import Calculator

from scoutbee.simulation.internals import Internals
from scoutbee.simulation.ionization import ionization_potential
from scoutbee.simulation.molecule import build_molecule
from scoutbee.simulation.optimizer import Tolerance, minimize

FORCE = 0.05
"""Of the plain recipe, in eV per angstrom."""

POLISHED = Tolerance(force=0.005, decrease=2e-5)
_POLISHING_STEPS = 300
_SHAKE = 0.01
"""Standard deviation in angstrom of a random shift of all coordinates, lest a relaxation begin and end on a saddle."""


@dataclass(frozen=True)
class State:
    """A relaxed charge state: energy in eV, coordinates in angstrom, whether its relaxation came to its end."""

    energy: float
    coordinates: np.ndarray
    converged: bool = True


@dataclass(frozen=True)
class Ionization:
    """A neutral and its cation.

    Attributes:
        neutral: The neutral.
        cation: The cation.
    """

    neutral: State
    cation: State

    @property
    def ip(self) -> float:
        """The adiabatic ionization potential in eV."""
        return self.cation.energy - self.neutral.energy


@dataclass(frozen=True)
class Cost:
    """What one molecule took: CPU and wall seconds, and evaluations of energy and gradient."""

    cpu: float
    wall: float
    gradients: int


def plain(smiles: str) -> Ionization:
    """RDKit's embedding with seed 1, MMFF94, then ASE's LBFGS on tblite's own calculator: neutral, cation from it."""
    graph = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(graph, randomSeed=1)
    rdForceFieldHelpers.MMFFOptimizeMolecule(graph)
    atoms = Atoms([atom.GetAtomicNum() for atom in graph.GetAtoms()], graph.GetConformer().GetPositions())
    states = []
    for charge in (0, 1):
        atoms.calc = TBLite(method='GFN2-xTB', charge=charge, multiplicity=1 + charge, verbosity=0)
        converged = LBFGS(atoms, logfile=None).run(fmax=FORCE, steps=500)
        states.append(State(float(atoms.get_potential_energy()), atoms.get_positions().copy(), bool(converged)))
    return Ionization(*states)


def scoutbee(smiles: str) -> Ionization:
    """What a campaign runs."""
    record = ionization_potential(smiles)
    return Ionization(
        *(
            State(record[name]['energy_hartree'] * Hartree, np.array(record[name]['coordinates_angstrom']))
            for name in ('neutral', 'cation')
        )
    )


def polished(smiles: str, found: Ionization) -> Ionization:
    """The minima below a result: each state relaxed on from beside where it ended, to a quarter of Scoutbee's force."""
    molecule = build_molecule(smiles)
    place, hessian, states = molecule.coordinates, molecule.stiffness, []
    assert hessian is not None
    for charge, state in enumerate((found.neutral, found.cation)):
        start = state.coordinates + _SHAKE * np.random.default_rng(0).standard_normal(state.coordinates.shape)
        surface = _surface(molecule.numbers, start, charge)
        hessian = _carried(hessian, Internals(molecule.bonds, place), place, start)
        end = minimize(surface, start, molecule.bonds, hessian, POLISHED, 0.2, _POLISHING_STEPS)
        states.append(State(end.energy, end.coordinates, end.converged))
        place, hessian = end.coordinates, end.hessian
    return Ionization(*states)


def _carried(hessian: np.ndarray, internals: Internals, place: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A Hessian of one place as one of another: as stiff by the internal coordinates."""
    slopes, other_slopes = (internals.at(each)[1] for each in (place, other))
    between = np.linalg.solve(slopes.T @ slopes, slopes.T) @ other_slopes
    carried: np.ndarray = between.T @ hessian @ between
    return carried


def _surface(numbers: np.ndarray, start: np.ndarray, charge: int) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    calculator = Calculator('GFN2-xTB', numbers, start / Bohr, charge=float(charge), uhf=charge)
    calculator.set('verbosity', 0)
    last = None

    def surface(coordinates: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal last
        calculator.update(positions=coordinates / Bohr)
        last = calculator.singlepoint(last)
        return float(last['energy']) * Hartree, last['gradient'] * (Hartree / Bohr)

    return surface


def costed(recipe: Callable[[str], Ionization], smiles: str) -> tuple[Ionization, Cost]:
    """What a recipe finds, and what it took."""
    with _counted() as counter:
        wall, cpu = time.perf_counter(), time.process_time()
        found = recipe(smiles)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return found, Cost(cpu, wall, next(counter))


@contextmanager
def _counted() -> Iterator[Iterator[int]]:
    """Counts calls of tblite, by whichever way; the next value is how many there were."""
    counter, original = count(), Calculator.singlepoint

    def singlepoint(self: Calculator, *given: Any, **named: Any) -> Any:
        next(counter)
        return original(self, *given, **named)

    Calculator.singlepoint = singlepoint
    try:
        yield counter
    finally:
        Calculator.singlepoint = original
