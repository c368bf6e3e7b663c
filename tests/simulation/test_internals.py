"""Internal coordinates: their derivatives are right, whole turns are none, and places follow them around arcs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.simulation.internals import PLACE_WEIGHT, TORSION_WEIGHT, Internals
from scoutbee.simulation.molecule import build_molecule

MOLECULES = ('CC(=O)Nc1ccccc1', 'C#CCC#N', 'O', 'C1CC1CS(=O)(=O)N')


def internals_of(smiles, rattled=0):
    molecule = build_molecule(smiles)
    places = molecule.coordinates + 0.05 * np.random.default_rng(rattled).standard_normal(molecule.coordinates.shape)
    return Internals(molecule.bonds, molecule.coordinates), places


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(MOLECULES), st.integers(0, 99))
def test_derivatives_are_those_of_the_values(smiles, seed):
    internals, places = internals_of(smiles, seed)
    shift = 1e-5 * np.random.default_rng(seed + 1).standard_normal(places.shape)
    ahead, behind = (internals.at(places + sign * shift)[0] for sign in (1, -1))
    foreseen = internals.at(places)[1] @ shift.ravel()
    assert internals.difference(ahead, behind) / 2 == pytest.approx(foreseen, abs=1e-8)


@pytest.mark.parametrize('smiles', [*MOLECULES, '[He]'])
def test_every_move_of_the_atoms_is_seen(smiles):
    internals, places = internals_of(smiles)
    assert np.linalg.svd(internals.at(places)[1])[1].min() >= 0.9 * PLACE_WEIGHT


def test_an_atom_without_bonds_has_its_place():
    places = np.arange(6.0).reshape(2, 3)
    values, derivatives = Internals(frozenset(), places).at(places)
    assert values == pytest.approx(places.ravel())
    assert derivatives == pytest.approx(np.eye(6))


def chain(turn):
    """Four atoms at right angles, and a torsion in degrees."""
    angle = np.radians(turn)
    return np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 1.0], [np.cos(angle), np.sin(angle), 1.0]])


def test_a_torsion_goes_the_shorter_way_round():
    internals = Internals({(0, 1), (1, 2), (2, 3)}, chain(170))
    change = internals.difference(internals.at(chain(-170))[0], internals.at(chain(170))[0])
    assert abs(change[5]) == pytest.approx(TORSION_WEIGHT * np.radians(20))


def test_a_turn_leads_around_an_arc_and_stretches_nothing():
    internals = Internals({(0, 1), (1, 2), (2, 3)}, chain(60))
    before, derivatives = internals.at(chain(60))
    change = np.zeros(len(before))
    change[5] = TORSION_WEIGHT * 0.8
    after, _ = internals.at(internals.moved(chain(60), before + change))
    moved = internals.difference(after, before)
    assert abs(moved[:5]).max() < 0.01
    assert moved[5] == pytest.approx(change[5], rel=0.02)
    straight, _ = internals.at(chain(60) + np.linalg.lstsq(derivatives, change)[0].reshape(4, 3))
    assert abs(internals.difference(straight, before)[:5]).max() > 0.05


def test_a_straight_chain_that_bends_and_a_plane_that_buckles_are_seen_as_well_as_an_angle():
    for smiles, atom in (('C#C', 0), ('C=O', 0)):
        molecule = build_molecule(smiles)
        places = molecule.coordinates
        _, derivatives = Internals(molecule.bonds, places).at(places)
        normal = np.linalg.svd(places - places.mean(axis=0))[2][2]
        move = np.zeros_like(places)
        move[atom] = normal
        assert np.linalg.norm(derivatives @ move.ravel()) > 0.5
