"""What is computed, what is refused, and the first geometry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from scoutbee.contracts.errors import InputTaskError
from scoutbee.simulation import errors
from scoutbee.simulation.bonds import bonds_of, changes
from scoutbee.simulation.molecule import build_molecule, parse_smiles

REFUSED = [
    ('', errors.UnparsableSmilesError, 'nothing'),
    (None, errors.UnparsableSmilesError, 'NoneType'),
    ('C1CC', errors.UnparsableSmilesError, 'syntax'),
    ('CCO ethanol', errors.UnparsableSmilesError, 'several words'),
    ('CC(C)(C)(C)C', errors.UnparsableSmilesError, 'valence'),
    ('c1cccc1', errors.UnparsableSmilesError, 'kekulize'),
    ('[Na+].[Cl-]', errors.FragmentsError, 'got 2'),
    ('[U]', errors.UnsupportedElementError, 'Z 92'),
    ('[*]C', errors.UnsupportedElementError, 'Z 0'),
    ('C[Fe]C', errors.UnsupportedElementError, 'spin state'),
    ('C[NH3+]', errors.ChargedMoleculeError, '+1'),
    ('CC(=O)[O-]', errors.ChargedMoleculeError, '-1'),
    ('[CH2]C', errors.OpenShellError, 'unpaired'),
    ('[N]=O', errors.OpenShellError, 'unpaired'),
]


@pytest.mark.parametrize(('smiles', 'kind', 'part'), REFUSED)
def test_what_cannot_be_computed_is_refused_by_its_own_error(smiles, kind, part):
    with pytest.raises(kind) as caught:
        build_molecule(smiles)
    assert caught.value.smiles == smiles
    assert part in caught.value.cause


def test_refusing_prints_nothing(capfd):
    with pytest.raises(errors.UnparsableSmilesError):
        build_molecule('c1cccc1')
    assert capfd.readouterr() == ('', '')


@given(st.text(max_size=12) | st.text(alphabet='CNOSclno123()=#[]+-.@/\\H', max_size=20))
def test_any_text_is_a_molecule_or_an_input_error(text):
    try:
        graph = parse_smiles(text)
    except errors.MoleculeInputError:
        return
    assert graph.GetNumAtoms() > 0
    assert Chem.GetFormalCharge(graph) == 0


def test_zwitterions_and_nitro_groups_are_neutral():
    for smiles in ('C[N+](=O)[O-]', '[NH3+]CC(=O)[O-]'):
        assert len(build_molecule(smiles).numbers) > 5


def test_atoms_coordinates_and_bonds_agree():
    molecule = build_molecule('CCO')
    assert list(molecule.numbers) == [6, 6, 8, *[1] * 6]
    assert molecule.coordinates.shape == (9, 3)
    assert bonds_of(molecule.numbers, molecule.coordinates) == molecule.bonds


def test_the_same_seed_gives_the_same_geometry_and_another_another():
    first, again, other = (build_molecule('CCCCCO', seed) for seed in (1, 1, 2))
    assert np.array_equal(first.coordinates, again.coordinates)
    assert not np.array_equal(first.coordinates, other.coordinates)


@pytest.mark.parametrize('seed', [-1, 2**31])
def test_a_seed_that_would_not_repeat_is_refused(seed):
    with pytest.raises(InputTaskError):
        build_molecule('C', seed)


@pytest.mark.parametrize(
    ('smiles', 'forcefield'), [('CCO', 'MMFF94'), ('OB(O)c1ccccc1', 'UFF'), ('FS(F)(F)(F)(F)F', 'none')]
)
def test_the_record_says_which_force_field_was_used(smiles, forcefield):
    assert build_molecule(smiles).embedding.forcefield == forcefield


def test_a_molecule_that_has_no_geometry_is_refused():
    # Bicyclo[1.1.1]pentane with one bridgehead turned inside out.
    with pytest.raises(errors.EmbeddingError) as caught:
        build_molecule('F[C@]12C[C@@](Cl)(C1)C2')
    assert 'attempts' in caught.value.cause


def test_embedding_is_tried_again():
    embedding = build_molecule('C[C@]1(F)C2C[C@]1(Cl)C2').embedding
    assert embedding.attempts > 1
    assert embedding.random_coordinates
    assert embedding.seed == 1 + embedding.attempts - 1


def test_broken_and_formed_bonds_are_told():
    molecule = build_molecule('CO')
    apart = molecule.coordinates.copy()
    apart[1] += [5.0, 0.0, 0.0]
    broken, formed = changes(molecule.bonds, bonds_of(molecule.numbers, apart))
    assert [0, 1] in broken
    assert formed == []
    assert changes(frozenset(), frozenset({(0, 1)})) == ([], [[0, 1]])
