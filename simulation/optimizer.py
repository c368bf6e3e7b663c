"""A minimum of an energy surface, in few gradients, by a quasi-Newton method that is told how stiff the surface is.

Steps follow the eigenvectors of an approximate Hessian (as in ASE's ``BFGS``), which is updated by each gradient with
Powell's damping (M. J. D. Powell, Lect. Notes Math. 1978, 630, 144; Nocedal and Wright, *Numerical Optimization*, 2006,
procedure 18.2), so that it stays positive definite where the surface curves downwards. A step that leads uphill is
taken back and shortened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Surface = Callable[[Array], tuple[float, Array]]
"""Energy in eV and its gradient in eV per angstrom, shape (atoms, 3), at coordinates in angstrom, shape (atoms, 3)."""

SOFTEST = 0.5
"""Least curvature that a step relies on, in eV per square angstrom. Softer, a torsion is moved so far along a straight
line that the bonds around it are stretched; stiffer, a relaxation stops before its soft torsions have moved at all."""

_UPHILL_EV = 1e-3
_SHORTEST = 0.01
_POWELL = 0.2
_FLATTEST = 1e-3


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
    surface: Surface, start: Array, hessian: Array, tolerance: Tolerance, longest_step: float, max_steps: int
) -> Minimum:
    """Go downhill until the tolerance is met or the steps are used up.

    Args:
        surface: What to minimize; may raise, which ends the minimization.
        start: Coordinates in angstrom, shape (atoms, 3).
        hessian: Approximate Hessian there, symmetric, shape (3 atoms, 3 atoms), in eV per square angstrom.
        tolerance: When to stop.
        longest_step: How far an atom may move in one step, in angstrom.
        max_steps: Steps allowed.
    """
    place, allowed, hessian = start, longest_step, _without_descents(hessian)
    first, slope = energy, _ = surface(place)
    for steps in range(max_steps + 1):
        max_force = largest(slope)
        step, decrease = _step(hessian, slope.ravel())
        converged = max_force <= tolerance.force and decrease <= tolerance.decrease
        if converged or steps == max_steps:
            break
        length = largest(step.reshape(-1, 3))
        if length > allowed:
            step, length = step * (allowed / length), allowed
        foreseen = float(slope.ravel() @ step + step @ hessian @ step / 2)
        there = place + step.reshape(-1, 3)
        energy_there, slope_there = surface(there)
        hessian = _updated(hessian, step, (slope_there - slope).ravel())
        if energy_there > energy + _UPHILL_EV:
            allowed = max(length / 4, _SHORTEST)
            continue
        allowed = _next_length(allowed, length, longest_step, (energy_there - energy) / foreseen)
        place, energy, slope = there, energy_there, slope_there
    return Minimum(place, energy, first, max_force, decrease, steps, hessian, converged)


def largest(vectors: Array) -> float:
    """Length of the longest of some vectors, shape (n, 3)."""
    return float(np.linalg.norm(vectors, axis=1).max())


def _without_descents(hessian: Array) -> Array:
    """The same with every curvature positive, as the update needs."""
    curvatures, modes = np.linalg.eigh(hessian)
    positive: Array = (modes * np.maximum(np.abs(curvatures), _FLATTEST)) @ modes.T
    return positive


def _step(hessian: Array, slope: Array) -> tuple[Array, float]:
    """The quasi-Newton step, and the energy it gains by the Hessian."""
    curvatures, modes = np.linalg.eigh(hessian)
    along, trusted = modes.T @ slope, np.maximum(curvatures, SOFTEST)
    return -modes @ (along / trusted), float((along**2 / trusted).sum() / 2)


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
