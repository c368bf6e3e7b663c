"""A minimum is found, in few steps where the stiffness is known, and nothing else is called one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.simulation.molecule import build_molecule
from scoutbee.simulation.optimizer import Tolerance, minimize

TOLERANCE = Tolerance(force=1e-3, decrease=1e-5)


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
    found = minimize(bowl(stiffness), start, stiffness, TOLERANCE, 1.0, 5)
    assert found.converged
    assert found.steps <= 1
    assert found.coordinates == pytest.approx(np.zeros((2, 3)), abs=1e-9)


@settings(max_examples=15)
@given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.floats(-5, 100))
def test_a_curved_valley_is_followed_whatever_is_believed_of_it(x, y, curvature):
    found = minimize(valley, np.array([[x, y, 0.3]]), curvature * np.eye(3), TOLERANCE, 0.3, 500)
    assert found.converged
    assert found.coordinates[0] == pytest.approx([1, 1, 0], abs=0.02)
    assert found.energy <= found.first_energy


def test_what_is_out_of_steps_is_not_called_converged():
    found = minimize(valley, np.array([[-1.0, 1.0, 0.0]]), np.eye(3), TOLERANCE, 0.1, 3)
    assert (found.converged, found.steps) == (False, 3)
    assert found.max_force > TOLERANCE.force


def test_no_atom_moves_farther_than_allowed():
    places = []

    def watched(place):
        places.append(place)
        return bowl(np.eye(6))(place)

    minimize(watched, np.full((2, 3), 5.0), np.eye(6), TOLERANCE, 0.25, 4)
    assert max(np.linalg.norm(places[1] - places[0], axis=1)) == pytest.approx(0.25)


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
