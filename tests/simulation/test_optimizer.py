"""A minimum is found, in few steps where the stiffness is known, and nothing else is called one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.simulation.internals import TORSION_WEIGHT, Internals
from scoutbee.simulation.molecule import build_molecule
from scoutbee.simulation.optimizer import Tolerance, minimize

TOLERANCE = Tolerance(force=1e-3, decrease=1e-5)
UNBOUND = frozenset()


def bowl(stiffness):
    def surface(place):
        slope = (stiffness @ place.ravel()).reshape(place.shape)
        return float(np.sum(slope * place)) / 2, slope

    return surface


def valley(place):
    """Rosenbrock's curved valley in the first two coordinates, with its minimum at (1, 1, 0)."""
    x, y, z = place[0]
    slope = [400 * x * (x * x - y) - 2 * (1 - x), 200 * (y - x * x), 2 * z]
    return float((1 - x) ** 2 + 100 * (y - x * x) ** 2 + z * z), np.array([slope])


@settings(max_examples=15)
@given(st.integers(0, 99))
def test_a_quadratic_bowl_whose_stiffness_is_known_takes_one_step(seed):
    random = np.random.default_rng(seed)
    turned = np.linalg.qr(random.standard_normal((6, 6)))[0]
    stiffness = turned @ np.diag(random.uniform(1, 90, 6)) @ turned.T
    start = random.uniform(-0.1, 0.1, (2, 3))
    found = minimize(bowl(stiffness), start, UNBOUND, stiffness, TOLERANCE, 1.0, 5)
    assert found.converged
    assert found.steps <= 1
    assert found.coordinates == pytest.approx(np.zeros((2, 3)), abs=1e-9)


@settings(max_examples=15)
@given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.floats(-5, 100))
def test_a_curved_valley_is_followed_whatever_is_believed_of_it(x, y, curvature):
    found = minimize(valley, np.array([[x, y, 0.3]]), UNBOUND, curvature * np.eye(3), TOLERANCE, 0.3, 500)
    assert found.converged
    assert found.coordinates[0] == pytest.approx([1, 1, 0], abs=0.02)
    assert found.energy <= found.first_energy


def test_what_is_out_of_steps_is_not_called_converged():
    found = minimize(valley, np.array([[-1.0, 1.0, 0.0]]), UNBOUND, np.eye(3), TOLERANCE, 0.1, 3)
    assert (found.converged, found.steps) == (False, 3)
    assert found.max_force > TOLERANCE.force


def test_no_step_is_longer_than_allowed():
    places = []

    def watched(place):
        places.append(place)
        return bowl(np.eye(6))(place)

    minimize(watched, np.full((2, 3), 5.0), UNBOUND, np.eye(6), TOLERANCE, 0.25, 4)
    assert np.linalg.norm(places[1] - places[0]) == pytest.approx(0.25, rel=1e-6)


def butane(place):
    """Stiff bonds and angles of a chain of four, and a soft torsion with its minimum at 60 degrees."""
    internals = Internals({(0, 1), (1, 2), (2, 3)}, CHAIN)
    values, slopes = internals.at(place)
    rest = [1.5, 1.5, 1.5, 1.9, 1.9, TORSION_WEIGHT * np.pi / 3]
    away, stiffness = values[:6] - rest, np.array([40.0, 40.0, 40.0, 8.0, 8.0, 0.2])
    return float(stiffness @ away**2) / 2, (slopes[:6].T @ (stiffness * away)).reshape(4, 3)


CHAIN = np.array([[1.4, 0.5, 0.2], [0.0, 0.0, 0.0], [0.0, 0.0, 1.5], [-1.3, 0.8, 2.0]])


def test_a_soft_torsion_is_turned_far_in_few_steps():
    found = minimize(butane, CHAIN, {(0, 1), (1, 2), (2, 3)}, 10 * np.eye(12), TOLERANCE, 0.4, 40)
    assert found.converged
    assert found.energy == pytest.approx(0, abs=1e-4)
    # Around the arc, its ends move by 3 angstrom.
    assert np.linalg.norm(found.coordinates[0] - found.coordinates[3]) == pytest.approx(2.7, abs=0.15)


def test_a_force_field_says_how_stiff_a_molecule_is():
    stiffness = build_molecule('C=O').stiffness
    assert stiffness.shape == (12, 12)
    assert stiffness == pytest.approx(stiffness.T)
    # Nothing holds a molecule in its place, and no bond is as stiff as that of C=O.
    assert stiffness @ np.tile(np.eye(3), (4, 1)) == pytest.approx(np.zeros((12, 3)), abs=0.01)
    stretch = np.linalg.eigh(stiffness)[1][:, -1].reshape(4, 3)
    assert set(np.argsort(np.linalg.norm(stretch, axis=1))[-2:]) == {0, 1}


def test_a_molecule_that_no_force_field_knows_has_no_stiffness():
    assert build_molecule('FS(F)(F)(F)(F)F').stiffness is None
