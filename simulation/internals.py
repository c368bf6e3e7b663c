"""Internal coordinates of a molecule: bonds, angles and torsions, in which its energy is close to quadratic.

Turning about a bond is one coordinate here; in the places of the atoms it is an arc, and every straight step along it
stretches the bonds that it turns. The coordinates are redundant, as in C. Peng, P. Y. Ayala, H. B. Schlegel and
M. J. Frisch, J. Comput. Chem. 1996, 17, 49. The places of the atoms are among them with a small weight: they fix what
the others do not, as the molecule's own place.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

TORSION_WEIGHT = 0.5
"""Of all torsions about a bond together, and of those that tell an atom out of the plane of its three neighbours; bonds
(in angstrom) and angles (in radian) have a weight of one."""

PLACE_WEIGHT = 0.03
"""Of the place of an atom that is bonded, in angstrom; one that is not has nothing else, and a weight of one."""

_STRAIGHT = np.radians(165)
_LEAST_SINE, _LEAST_AREA = 0.05, 1e-3
_IN_A_PLANE = 3
_ROUNDS, _NEAR, _LONGEST = 6, 0.01, 0.5


class Internals:
    """Bonds, angles, torsions and places, each times its weight.

    An angle that begins close to straight is replaced by the sum of the directions to its ends, which knows no
    particular plane; torsions with such an angle are left out.

    Args:
        bonds: Pairs of bonded atoms.
        coordinates: In angstrom, shape (atoms, 3).
    """

    def __init__(self, bonds: Set[tuple[int, int]], coordinates: Array) -> None:
        atoms = len(coordinates)
        neighbours: list[list[int]] = [[] for _ in range(atoms)]
        for first, second in sorted(bonds):
            neighbours[first].append(second)
            neighbours[second].append(first)
        bent, straight = _angles_of(neighbours, coordinates)
        torsions, weights = _torsions_of(bonds, neighbours, bent)
        self._parts: list[tuple[Callable[[Array, Indices], tuple[Array, Array]], Indices, Array]] = [
            (_lengths, np.array(sorted(bonds), dtype=np.int64).reshape(-1, 2), np.ones(len(bonds))),
            (_angles, bent, np.ones(len(bent))),
            *((partial(_bends, axis=axis), straight, np.ones(len(straight))) for axis in range(3)),
            (_torsions, torsions, weights),
        ]
        end = sum(len(members) for _, members, _ in self._parts)
        self._turning, self._turning_weights = slice(end - len(torsions), end), weights
        self._size = end + 3 * atoms
        self._place_weights = np.repeat([PLACE_WEIGHT if near else 1.0 for near in neighbours], 3)

    def at(self, coordinates: Array) -> tuple[Array, Array]:
        """The values, shape (internal,), and their derivatives by the places, shape (internal, 3 atoms)."""
        values = np.empty(self._size)
        derivatives = np.zeros((self._size, len(coordinates), 3))
        start = 0
        for compute, members, weights in self._parts:
            end = start + len(members)
            if len(members):
                part, slopes = compute(coordinates, members)
                values[start:end] = weights * part
                derivatives[np.arange(start, end)[:, None], members] = weights[:, None, None] * slopes
            start = end
        values[start:] = self._place_weights * coordinates.ravel()
        flat = derivatives.reshape(self._size, -1)
        flat[start:] = np.diag(self._place_weights)
        return values, flat

    def difference(self, values: Array, others: Array) -> Array:
        """Values less others, torsions by the shorter way round."""
        change = values - others
        turns = change[self._turning] / self._turning_weights
        change[self._turning] = self._turning_weights * ((turns + np.pi) % (2 * np.pi) - np.pi)
        return change

    def moved(self, coordinates: Array, wanted: Array) -> Array:
        """The places from some others on whose values come as close to the wanted ones as can be, by least squares."""
        for _ in range(_ROUNDS):
            values, derivatives = self.at(coordinates)
            missing = derivatives.T @ self.difference(wanted, values)
            step = np.linalg.solve(derivatives.T @ derivatives, missing).reshape(-1, 3)
            longest = float(np.abs(step).max())
            coordinates = coordinates + step * min(1.0, _LONGEST / max(longest, _NEAR))
            if longest < _NEAR:
                break
        return coordinates


def _angles_of(neighbours: list[list[int]], coordinates: Array) -> tuple[Indices, Indices]:
    """Triples of atoms, the middle one bonded to both others: those that are bent, and those close to straight."""
    found = [(first, middle, last) for middle, near in enumerate(neighbours) for first, last in combinations(near, 2)]
    triples = np.array(found, dtype=np.int64).reshape(-1, 3)
    bent = _angles(coordinates, triples)[0] < _STRAIGHT
    return triples[bent], triples[~bent]


def _torsions_of(bonds: Set[tuple[int, int]], neighbours: list[list[int]], bent: Indices) -> tuple[Indices, Array]:
    """Four atoms of each torsion, and its weight; they come in groups that weigh alike, however many are in one."""
    known = {(first, middle, last) for first, middle, last in bent.tolist()}
    known |= {(last, middle, first) for first, middle, last in known}
    groups = [
        [
            (first, second, third, fourth)
            for first in neighbours[second]
            for fourth in neighbours[third]
            if first != fourth and (first, second, third) in known and (second, third, fourth) in known
        ]
        for second, third in sorted(bonds)
    ]
    for middle, near in enumerate(neighbours):
        if len(near) == _IN_A_PLANE:
            one, other, last = near
            groups.append([(one, middle, other, last), (other, middle, last, one), (last, middle, one, other)])
    weights = [TORSION_WEIGHT / np.sqrt(len(group)) for group in groups for _ in group]
    found = [chain for group in groups for chain in group]
    return np.array(found, dtype=np.int64).reshape(-1, 4), np.array(weights, dtype=np.float64)


def _lengths(coordinates: Array, pairs: Indices) -> tuple[Array, Array]:
    """Distances, shape (n,), and their derivatives by the places of the two, shape (n, 2, 3)."""
    apart = coordinates[pairs[:, 0]] - coordinates[pairs[:, 1]]
    lengths = np.linalg.norm(apart, axis=1)
    along = apart / lengths[:, None]
    return lengths, np.stack([along, -along], axis=1)


def _angles(coordinates: Array, triples: Indices) -> tuple[Array, Array]:
    """Angles in radian, shape (n,), and their derivatives by the places of the three, shape (n, 3, 3)."""
    first, middle, last = (coordinates[triples[:, i]] for i in range(3))
    one, other = first - middle, last - middle
    length, other_length = (np.linalg.norm(each, axis=1)[:, None] for each in (one, other))
    one, other = one / length, other / other_length
    cosine = np.clip((one * other).sum(axis=1), -1, 1)[:, None]
    sine = np.maximum(np.sqrt(1 - cosine**2), _LEAST_SINE)
    by_first = (cosine * one - other) / (length * sine)
    by_last = (cosine * other - one) / (other_length * sine)
    return np.arccos(cosine[:, 0]), np.stack([by_first, -by_first - by_last, by_last], axis=1)


def _bends(coordinates: Array, triples: Indices, axis: int) -> tuple[Array, Array]:
    """The sum of the directions from the middle atom to both others, along one axis, shape (n,); its derivatives."""
    values, slopes = np.zeros(len(triples)), np.zeros((len(triples), 3, 3))
    for end in (0, 2):
        away = coordinates[triples[:, end]] - coordinates[triples[:, 1]]
        length = np.linalg.norm(away, axis=1)[:, None]
        direction = away / length
        values += direction[:, axis]
        slopes[:, end] = (np.eye(3)[axis] - direction[:, axis, None] * direction) / length
        slopes[:, 1] -= slopes[:, end]
    return values, slopes


def _torsions(coordinates: Array, chains: Indices) -> tuple[Array, Array]:
    """Torsions in radian, shape (n,), and their derivatives by the places of the four, shape (n, 4, 3).

    A. Blondel and M. Karplus, J. Comput. Chem. 1996, 17, 1132, equation 27; never larger than for a chain that is all
    but straight.
    """
    first, second, third, fourth = (coordinates[chains[:, i]] for i in range(4))
    before, axis, after = first - second, second - third, fourth - third
    normal, other = _cross(before, axis), _cross(after, axis)
    length = np.linalg.norm(axis, axis=1)
    turns = np.arctan2((_cross(other, normal) * axis).sum(axis=1) / length, (normal * other).sum(axis=1))
    scaled = normal / np.maximum((normal**2).sum(axis=1), _LEAST_AREA)[:, None]
    other_scaled = other / np.maximum((other**2).sum(axis=1), _LEAST_AREA)[:, None]
    by_first, by_fourth = -length[:, None] * scaled, length[:, None] * other_scaled
    shared = ((before * axis).sum(axis=1) / length)[:, None] * scaled
    shared = shared - ((after * axis).sum(axis=1) / length)[:, None] * other_scaled
    return turns, np.stack([by_first, shared - by_first, -shared - by_fourth, by_fourth], axis=1)


def _cross(one: Array, other: Array) -> Array:
    """Cross products of vectors, shape (n, 3); several times as fast as numpy's for so few."""
    (a, b, c), (d, e, f) = one.T, other.T
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=1)
