"""A minimum of a molecule's energy, in few gradients, by a quasi-Newton method that is told how stiff the molecule is.

Steps are made in internal coordinates (``internals``): there a torsion that is a hundred times softer than a bond is a
coordinate of its own, and the Hessian of one place is nearly that of the next. The Hessian is updated by each gradient
with Powell's damping (M. J. D. Powell, Lect. Notes Math. 1978, 630, 144; Nocedal and Wright, *Numerical Optimization*,
2006, procedure 18.2), so that it stays positive definite where the surface curves downwards. A step that is too long is
shortened most where the surface is soft (a trust region, ibid., chapter 4); one that leads uphill is taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .internals import Internals

Array = NDArray[np.float64]

Surface = Callable[[Array], tuple[float, Array]]
"""Energy in eV and its gradient in eV per angstrom, shape (atoms, 3), at coordinates in angstrom, shape (atoms, 3)."""

SOFTEST = 0.1
"""Least curvature that a step relies on, in eV per square of an internal coordinate with its weight."""

_UPHILL_EV = 1e-3
_SHORTEST = 0.005
_POWELL = 0.2
_FLATTEST = 1e-3
_HALVINGS = 40


@dataclass(frozen=True)
class Tolerance:
    """When a geometry is a minimum: both must hold.

    Attributes:
        force: Largest force on any atom, in eV per angstrom.
        decrease: Energy that a Newton step would still gain by the approximate Hessian, in eV.
    """

    force: float
    decrease: float


@dataclass(frozen=True)
class Minimum:
    """Where a minimization ended.

    Attributes:
        coordinates: In angstrom, shape (atoms, 3).
        energy: In eV.
        first_energy: Energy where it began, in eV.
        max_force: Largest force on an atom, in eV per angstrom.
        decrease: Energy that a Newton step would still gain, in eV.
        steps: Steps tried.
        hessian: The approximate Hessian, shape (3 atoms, 3 atoms), in eV per square angstrom.
        converged: Whether the tolerance was met.
    """

    coordinates: Array
    energy: float
    first_energy: float
    max_force: float
    decrease: float
    steps: int
    hessian: Array
    converged: bool


def minimize(
    surface: Surface,
    start: Array,
    bonds: Set[tuple[int, int]],
    hessian: Array,
    tolerance: Tolerance,
    longest_step: float,
    max_steps: int,
) -> Minimum:
    """Go downhill until the tolerance is met or the steps are used up.

    Args:
        surface: What to minimize; may raise, which ends the minimization.
        start: Coordinates in angstrom, shape (atoms, 3).
        bonds: Pairs of bonded atoms, of which the internal coordinates are made.
        hessian: Approximate Hessian there, symmetric, shape (3 atoms, 3 atoms), in eV per square angstrom.
        tolerance: When to stop.
        longest_step: Longest step, as the norm of the change of all internal coordinates (angstrom and radian).
        max_steps: Steps allowed.
    """
    energy, slope = surface(start)
    internals = Internals(bonds, start)
    place = first = _Place(start, energy, slope, *internals.at(start))
    believed, allowed = place.to_internal(_without_descents(hessian)), longest_step
    for steps in range(max_steps + 1):
        max_force = largest(place.slope)
        step = _step(place, believed, allowed)
        converged = max_force <= tolerance.force and step.decrease <= tolerance.decrease
        if converged or steps == max_steps:
            break
        coordinates = internals.moved(place.coordinates, place.values + step.change)
        there = _Place(coordinates, *surface(coordinates), *internals.at(coordinates))
        change = internals.difference(there.values, place.values)
        believed = _updated(believed, change, there.internal_slope - place.internal_slope)
        if there.energy > place.energy + _UPHILL_EV:
            allowed = max(step.length / 4, _SHORTEST)
            continue
        allowed = _next_length(allowed, step.length, longest_step, (there.energy - place.energy) / step.foreseen)
        place = there
    return Minimum(
        place.coordinates,
        place.energy,
        first.energy,
        max_force,
        step.decrease,
        steps,
        place.to_cartesian(believed),
        converged,
    )


def largest(vectors: Array) -> float:
    """Length of the longest of some vectors, shape (n, 3)."""
    return float(np.linalg.norm(vectors, axis=1).max())


@dataclass(frozen=True)
class _Place:
    """A geometry, its energy and gradient, and the internal coordinates there with their derivatives."""

    coordinates: Array
    energy: float
    slope: Array
    values: Array
    derivatives: Array

    @cached_property
    def metric(self) -> Array:
        """Square of a small change of the internal coordinates by the places, shape (3 atoms, 3 atoms)."""
        product: Array = self.derivatives.T @ self.derivatives
        return product

    @cached_property
    def internal_slope(self) -> Array:
        """The gradient by the internal coordinates: of all that mean the same, the shortest."""
        slope: Array = self.derivatives @ np.linalg.solve(self.metric, self.slope.ravel())
        return slope

    def to_internal(self, hessian: Array) -> Array:
        """A Hessian by the places as one by the internal coordinates."""
        inverse = np.linalg.solve(self.metric, self.derivatives.T)
        turned: Array = inverse.T @ hessian @ inverse
        return turned

    def to_cartesian(self, hessian: Array) -> Array:
        """A Hessian by the internal coordinates as one by the places."""
        turned = self.derivatives.T @ hessian @ self.derivatives
        symmetric: Array = (turned + turned.T) / 2
        return symmetric


@dataclass(frozen=True)
class _Step:
    """A step.

    Attributes:
        change: Of the internal coordinates.
        length: Its norm.
        foreseen: Change of energy that is foreseen; negative.
        decrease: Energy that a step would gain that is not shortened.
    """

    change: Array
    length: float
    foreseen: float
    decrease: float


def _step(place: _Place, believed: Array, allowed: float) -> _Step:
    """The quasi-Newton step from a place, no longer than allowed."""
    # In the columns of this matrix a step is as long as the change of the internal coordinates that it makes.
    basis = np.linalg.inv(np.linalg.cholesky(place.metric)).T
    curvatures, modes = np.linalg.eigh(basis.T @ place.to_cartesian(believed) @ basis)
    along, trusted = modes.T @ (basis.T @ place.slope.ravel()), np.maximum(curvatures, SOFTEST)
    components = -along / (trusted + _shift(along, trusted, allowed))
    foreseen = float(along @ components + (trusted * components**2).sum() / 2)
    change = place.derivatives @ (basis @ (modes @ components))
    return _Step(change, float(np.linalg.norm(components)), foreseen, float((along**2 / trusted).sum() / 2))


def _shift(along: Array, trusted: Array, allowed: float) -> float:
    """What to add to all curvatures to have the step no longer than allowed, and hardly shorter."""

    def length(shift: float) -> float:
        return float(np.linalg.norm(along / (trusted + shift)))

    if length(0) <= allowed:
        return 0.0
    low, high = 0.0, float(np.linalg.norm(along)) / allowed
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if length(middle) > allowed else (low, middle)
    return high


def _without_descents(hessian: Array) -> Array:
    """The same with every curvature positive, as the update needs."""
    curvatures, modes = np.linalg.eigh(hessian)
    positive: Array = (modes * np.maximum(np.abs(curvatures), _FLATTEST)) @ modes.T
    return positive


def _updated(hessian: Array, step: Array, change: Array) -> Array:
    """BFGS with Powell's damping; ``change`` is that of the gradient."""
    expected = hessian @ step
    curvature, model = float(step @ change), float(step @ expected)
    if model <= 0:
        return hessian
    if curvature < _POWELL * model:
        share = (1 - _POWELL) * model / (model - curvature)
        change = share * change + (1 - share) * expected
        curvature = float(step @ change)
    updated: Array = hessian + np.outer(change, change) / curvature - np.outer(expected, expected) / model
    return updated


def _next_length(allowed: float, length: float, longest: float, ratio: float) -> float:
    """How long the next step may be, from the gain of this one as a share of what the Hessian foresaw."""
    if ratio > 0.5 and length > 0.9 * allowed:
        return min(2 * allowed, longest)
    if ratio < 0.1:
        return max(length / 2, 2 * _SHORTEST)
    return allowed
