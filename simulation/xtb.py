"""Extended tight-binding energies and relaxations, by tblite.

Nothing that did not converge is returned: a failed self-consistent field, a relaxation out of steps, or a value that
is not finite raises a typed error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from .blas import prefer_openblas
from .efforts import STANDARD, Effort
from .errors import RelaxationError, ScfError
from .optimizer import Minimum, Tolerance, largest, minimize

BLAS = prefer_openblas() or 'of tblite'
"""The linear algebra that energies are computed with."""

from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError  # noqa: E402 - finds what was preferred
from tblite.interface import Calculator  # noqa: E402

TOLERANCE = Tolerance(force=0.02, decrease=1e-4)
"""Of a relaxed geometry. Ten times as much is met on shoulders from which a torsion turns on and gains 0.1 eV."""

SCF_SETTINGS: tuple[Mapping[str, float], ...] = ({}, {'mixer_damping': 0.1, 'max_iterations': 1000})
"""Settings of the self-consistent field, tried in turn: tblite's own (0.4, 250), then slower ones that converge what
those do not. They lead to the same energy."""

EXACT, LOOSE = 1.0, 10.0
"""Thresholds of the self-consistent field in tblite's unit: its own, and those of a relaxation on its way. Loose ones
change an energy by less than 0.1 meV and a force by less than 0.01 eV per angstrom, and save iterations."""

STIFF = 70.0
"""Curvature of a molecule that no force field knows, in eV per square angstrom; ASE's optimizers start from it."""

_SAME_ENERGY_HARTREE = 1e-5

T = TypeVar('T')

_PROGRAM_ERRORS = (TBLiteRuntimeError, TBLiteValueError)


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
        bonds: Pairs of bonded atoms; without them a relaxation takes many more steps.
        hessian: What is known of the second derivatives of the energy there, shape (3 atoms, 3 atoms), in eV per
            square angstrom; it saves steps.
    """

    smiles: str
    numbers: NDArray[np.int64]
    coordinates: NDArray[np.float64]
    bonds: frozenset[tuple[int, int]] = frozenset()
    hessian: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class SinglePoint:
    """An energy at a geometry, from a fresh guess of the electronic structure.

    Attributes:
        energy_hartree: The energy.
        max_force: Largest force on an atom, in eV per angstrom.
        gap_ev: Energy between the highest occupied and the lowest empty orbital; None where there is no empty one.
        damped: Whether the self-consistent field needed stronger damping.
    """

    energy_hartree: float
    max_force: float
    gap_ev: float | None
    damped: bool


@dataclass(frozen=True)
class Relaxation:
    """A relaxed geometry.

    Attributes:
        geometry: Where it ended, with the Hessian that the optimizer arrived at.
        end: Energy and forces there, from a fresh guess of the electronic structure.
        first_energy_hartree: Energy where it began, from a fresh guess.
        steps: Optimizer steps taken.
        damped: Whether the self-consistent field needed stronger damping somewhere.
    """

    geometry: Geometry
    end: SinglePoint
    first_energy_hartree: float
    steps: int
    damped: bool


class _Surface:
    """The energy surface of a charge state; each point but the first starts from the last one's electronic structure.

    Attributes:
        exact: Whether every point is computed as accurately as the first.
    """

    def __init__(self, geometry: Geometry, level: Level, settings: Mapping[str, float]) -> None:
        self.exact = False
        self._smiles, self._level = geometry.smiles, level
        self._calculator = _calculator(geometry, level, settings)
        self._last: Any = None

    def __call__(self, coordinates: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        self._calculator.set('accuracy', EXACT if self.exact or self._last is None else LOOSE)
        self._calculator.update(positions=coordinates / Bohr)
        self._last = self._calculator.singlepoint(self._last)
        energy, slope = _values(self._last, self._smiles, self._level)
        return energy * Hartree, slope


def single_point(geometry: Geometry, level: Level, effort: Effort = STANDARD) -> SinglePoint:
    """The energy of a geometry as it is.

    Raises:
        ScfError: If the self-consistent field does not converge.
    """

    def compute(settings: Mapping[str, float]) -> SinglePoint:
        result = _calculator(geometry, level, settings).singlepoint()
        energy, slope = _values(result, geometry.smiles, level)
        return SinglePoint(energy, largest(slope), _gap_ev(result), _is_damped(settings))

    return _converged(compute, geometry, level, effort)


def relax(geometry: Geometry, level: Level, max_steps: int, effort: Effort = STANDARD) -> Relaxation:
    """Relax a geometry until no force exceeds ``TOLERANCE.force`` and little energy is left to lose.

    What the optimizer ends at counts only if a fresh guess of the electronic structure gives the same energy there,
    and forces within the tolerance: along a relaxation each point starts from the last, and may follow a wrong state.

    Args:
        geometry: Where to begin.
        level: Method and charge state.
        max_steps: Optimizer steps allowed.
        effort: Settings of the iterations; its factor on the steps is the caller's to apply.

    Raises:
        ScfError: If the self-consistent field does not converge somewhere on the way, or depends on its guess.
        RelaxationError: If the steps do not suffice.
    """

    def compute(settings: Mapping[str, float]) -> Relaxation:
        surface = _Surface(geometry, level, settings)
        found = _minimum(surface, geometry, level, max_steps, effort)
        there = replace(geometry, coordinates=found.coordinates, hessian=found.hessian)
        end = single_point(there, level, effort)
        first, steps = found.first_energy / Hartree, found.steps
        if _differs(found, end):
            surface.exact = True
            found = _minimum(surface, there, level, max_steps - steps, effort)
            there, steps = replace(there, coordinates=found.coordinates, hessian=found.hessian), steps + found.steps
            end = single_point(there, level, effort)
            _check_same(geometry.smiles, found, end)
        return Relaxation(there, end, first, steps, end.damped or _is_damped(settings))

    return _converged(compute, geometry, level, effort)


def _minimum(surface: _Surface, geometry: Geometry, level: Level, max_steps: int, effort: Effort) -> Minimum:
    hessian = STIFF * np.eye(geometry.coordinates.size) if geometry.hessian is None else geometry.hessian
    found = minimize(surface, geometry.coordinates, geometry.bonds, hessian, TOLERANCE, effort.longest_step, max_steps)
    if not found.converged:
        raise RelaxationError(
            geometry.smiles,
            f'after {found.steps} steps at charge {level.charge:+d} by {level.method} the largest force is '
            f'{found.max_force:.3f} eV/angstrom, expected at most {TOLERANCE.force}, and {found.decrease:.3f} eV are '
            f'left to lose, expected at most {TOLERANCE.decrease}; allow more steps or take another seed',
        )
    return found


def _differs(found: Minimum, end: SinglePoint) -> bool:
    """Whether a fresh guess does not confirm an end."""
    return end.max_force > TOLERANCE.force or abs(found.energy / Hartree - end.energy_hartree) > _SAME_ENERGY_HARTREE


def _check_same(smiles: str, found: Minimum, end: SinglePoint) -> None:
    """Refuse an energy that depends on the guess it started from."""
    if _differs(found, end):
        raise ScfError(
            smiles,
            f'after relaxing the energy is {found.energy / Hartree:.6f} Hartree and the largest force '
            f'{found.max_force:.3f} eV/angstrom, but {end.energy_hartree:.6f} and {end.max_force:.3f} from a fresh '
            'starting guess',
        )


def _calculator(geometry: Geometry, level: Level, settings: Mapping[str, float]) -> Any:
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
    return calculator


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


def _values(result: Any, smiles: str, level: Level) -> tuple[float, NDArray[np.float64]]:
    """Energy in Hartree and its gradient in eV per angstrom; ``ScfError`` if they are no numbers."""
    energy, slope = float(result['energy']), result['gradient'] * (Hartree / Bohr)
    if not (np.isfinite(energy) and np.isfinite(slope).all()):
        raise ScfError(smiles, f'{level.method} at charge {level.charge:+d} gave an energy of {energy}')
    return energy, slope


def _gap_ev(result: Any) -> float | None:
    """Gap between the orbitals where occupation falls below one electron."""
    energies, occupations = result['orbital-energies'], result['orbital-occupations']
    empty = np.flatnonzero(occupations < 1.0)
    if len(empty) == 0 or empty[0] == 0:
        return None
    return float((energies[empty[0]] - energies[empty[0] - 1]) * Hartree)
