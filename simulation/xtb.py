"""Extended tight-binding energies and relaxations, by tblite through ASE.

Nothing that did not converge is returned: a failed self-consistent field, a relaxation out of steps, or a value that
is not finite raises a typed error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorError
from ase.optimize import LBFGS
from ase.units import Bohr, Hartree
from numpy.typing import NDArray
from tblite.ase import TBLite
from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError
from tblite.interface import Calculator

from .efforts import STANDARD, Effort
from .errors import RelaxationError, ScfError

FORCE_TOLERANCE = 0.05
"""Largest force on any atom of a relaxed geometry, in eV per angstrom."""

SCF_SETTINGS: tuple[Mapping[str, float], ...] = ({}, {'mixer_damping': 0.1, 'max_iterations': 1000})
"""Settings of the self-consistent field, tried in turn: tblite's own (0.4, 250), then slower ones that converge what
those do not. They lead to the same energy."""

T = TypeVar('T')

_PROGRAM_ERRORS = (CalculatorError, TBLiteRuntimeError, TBLiteValueError)


@dataclass(frozen=True)
class Level:
    """How to compute: a method and a charge state.

    Attributes:
        method: Name of the method as tblite knows it.
        charge: Total charge in elementary charges.
        multiplicity: Spin multiplicity.
    """

    method: str
    charge: int
    multiplicity: int


@dataclass(frozen=True)
class Geometry:
    """Atoms in space, and the SMILES that names them in errors.

    Attributes:
        smiles: The SMILES as it was given.
        numbers: Atomic numbers, shape (atoms,).
        coordinates: In angstrom, shape (atoms, 3).
    """

    smiles: str
    numbers: NDArray[np.int64]
    coordinates: NDArray[np.float64]

    def moved(self, coordinates: NDArray[np.float64]) -> Geometry:
        """The same atoms elsewhere."""
        return Geometry(self.smiles, self.numbers, coordinates)


@dataclass(frozen=True)
class SinglePoint:
    """An energy at a geometry, from a fresh guess of the electronic structure.

    Attributes:
        energy_hartree: The energy.
        gap_ev: Energy between the highest occupied and the lowest empty orbital; None where there is no empty one.
        damped: Whether the self-consistent field needed stronger damping.
    """

    energy_hartree: float
    gap_ev: float | None
    damped: bool


@dataclass(frozen=True)
class Relaxation:
    """A relaxed geometry.

    Attributes:
        geometry: Where it ended.
        energy_hartree: Energy there.
        first_energy_hartree: Energy where it began.
        steps: Optimizer steps taken.
        max_force: Largest force on an atom at the end, in eV per angstrom.
        damped: Whether the self-consistent field needed stronger damping.
    """

    geometry: Geometry
    energy_hartree: float
    first_energy_hartree: float
    steps: int
    max_force: float
    damped: bool


def single_point(geometry: Geometry, level: Level, effort: Effort = STANDARD) -> SinglePoint:
    """The energy of a geometry as it is.

    Raises:
        ScfError: If the self-consistent field does not converge.
    """

    def compute(settings: Mapping[str, float]) -> SinglePoint:
        calculator = Calculator(
            level.method,
            geometry.numbers,
            geometry.coordinates / Bohr,
            charge=float(level.charge),
            uhf=level.multiplicity - 1,
        )
        calculator.set('verbosity', 0)
        for name, value in settings.items():
            calculator.set(name.replace('max_iterations', 'max-iter').replace('_', '-'), value)
        result = calculator.singlepoint()
        energy = _finite(float(result['energy']), geometry, level)
        return SinglePoint(energy, _gap_ev(result), _is_damped(settings))

    return _converged(compute, geometry, level, effort)


def relax(geometry: Geometry, level: Level, max_steps: int, effort: Effort = STANDARD) -> Relaxation:
    """Relax a geometry by LBFGS until no force exceeds ``FORCE_TOLERANCE``; the rest is ASE's defaults.

    Args:
        geometry: Where to begin.
        level: Method and charge state.
        max_steps: Optimizer steps allowed.
        effort: Settings of the iterations; its factor on the steps is the caller's to apply.

    Raises:
        ScfError: If the self-consistent field does not converge somewhere on the way.
        RelaxationError: If the steps do not suffice.
    """

    def compute(settings: Mapping[str, float]) -> Relaxation:
        atoms = Atoms(geometry.numbers, geometry.coordinates)
        atoms.calc = TBLite(
            method=level.method, charge=level.charge, multiplicity=level.multiplicity, verbosity=0, **settings
        )
        first = _finite(atoms.get_potential_energy() / Hartree, geometry, level)
        optimizer = LBFGS(atoms, logfile=None, maxstep=effort.longest_step_angstrom)
        converged = bool(optimizer.run(fmax=FORCE_TOLERANCE, steps=max_steps))
        max_force = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        if not (converged and max_force <= FORCE_TOLERANCE):
            raise RelaxationError(
                geometry.smiles,
                f'after {optimizer.nsteps} steps at charge {level.charge:+d} by {level.method} the largest force is '
                f'{max_force:.3f} eV/angstrom, expected at most {FORCE_TOLERANCE}; allow more steps or take another '
                'seed',
            )
        energy = _finite(atoms.get_potential_energy() / Hartree, geometry, level)
        moved = geometry.moved(np.array(atoms.get_positions(), dtype=np.float64))
        return Relaxation(moved, energy, first, int(optimizer.nsteps), max_force, _is_damped(settings))

    return _converged(compute, geometry, level, effort)


def _converged(compute: Callable[[Mapping[str, float]], T], geometry: Geometry, level: Level, effort: Effort) -> T:
    """What ``compute`` returns with the first settings that converge; ``ScfError`` if none do."""
    reason: Exception | None = None
    for settings in (*SCF_SETTINGS, *effort.more_scf_settings):
        try:
            return compute(settings)
        except _PROGRAM_ERRORS as error:  # noqa: PERF203 - at most three turns
            reason = error
    raise ScfError(
        geometry.smiles, f'{level.method} at charge {level.charge:+d}, also with damping: {reason}'
    ) from reason


def _is_damped(settings: Mapping[str, float]) -> bool:
    return settings is not SCF_SETTINGS[0]


def _finite(energy: float, geometry: Geometry, level: Level) -> float:
    if not np.isfinite(energy):
        raise ScfError(geometry.smiles, f'{level.method} at charge {level.charge:+d} gave an energy of {energy}')
    return float(energy)


def _gap_ev(result: Any) -> float | None:
    """Gap between the orbitals where occupation falls below one electron."""
    energies, occupations = result['orbital-energies'], result['orbital-occupations']
    empty = np.flatnonzero(occupations < 1.0)
    if len(empty) == 0 or empty[0] == 0:
        return None
    return float((energies[empty[0]] - energies[empty[0] - 1]) * Hartree)
