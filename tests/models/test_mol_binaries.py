"""What is read of RDKit's binary form is what RDKit says of the molecule when it is asked."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit.Chem import MolFromSmiles

from scoutbee import data
from scoutbee.models.graph_codes import graphs_of_mols, graphs_of_tables
from scoutbee.models.graph_featurizer import screen_graphs
from scoutbee.models.mol_binaries import read_binaries

PLAIN = ['C', 'CCO', 'c1ccccc1', 'N#Cc1ccc(S(=O)(=O)N2CC2)cc1', '[NH4+].[Cl-]', 'CC(=O)[O-]', 'C1CCCCCCCCC1', '[13CH4]']
STEREO = ['N[C@@H](C)C(=O)O', 'F/C=C/F', 'C/C=C\\C', 'F/C=C/[C@H](Cl)Br', '[C@](F)(Cl)(Br)I']
UNUSUAL = [
    '*C',
    'C~C',
    '[CH3:3]C',
    'C->[Fe]',
    'C$C',
    '[CH2]',
    '[Fe+3]',
    '[Fe+4]',
    '[H][H]',
    '[H]C',
    '[2H]C',
    '[H+]',
    '[#1]C',
    '[#6]',
    'CN(=O)=O',
    'F[P-](F)(F)(F)(F)F',
    'C' * 300,
    'C12CC1C2',
    'N->[Pt]',
    '[Xe]',
    'c1ccccc1 a name',
]


@pytest.fixture(scope='module')
def moses():
    with gzip.open(data.path('moses-20k.smi.gz'), 'rt') as file:
        return [line.split()[0] for line in file]


def asked(smiles):
    return graphs_of_mols([MolFromSmiles(text) for text in smiles])


def equal(one, other):
    return all(np.array_equal(array, other.arrays()[name]) for name, array in one.arrays().items())


@pytest.mark.parametrize('smiles', [*PLAIN, *STEREO, *UNUSUAL])
def test_any_molecule_has_the_graph_that_rdkit_tells(smiles):
    assert equal(screen_graphs([smiles]).features, asked([smiles]))


@settings(max_examples=50)
@given(smiles=st.lists(st.sampled_from([*PLAIN, *STEREO, *UNUSUAL]), max_size=12))
def test_the_usual_and_the_unusual_keep_their_order(smiles):
    assert equal(screen_graphs(smiles).features, asked(smiles))


def test_common_molecules_are_read_without_asking(moses):
    """If this fails after an update of RDKit, its binary form has changed and featurizing takes thrice as long."""
    tables = read_binaries([MolFromSmiles(text).ToBinary(0) for text in [*PLAIN, 'N[C@@H](C)C(=O)O', *moses[:500]]])
    assert tables.is_read.all()


@settings(max_examples=200)
@given(place=st.integers(0, 200), value=st.integers(0, 255), cut=st.integers(0, 200))
def test_bytes_of_another_form_do_no_harm(place, value, cut):
    whole = MolFromSmiles('CCO').ToBinary(0)
    raw = bytearray(MolFromSmiles('N#Cc1ccc(S(=O)(=O)N2CC2)cc1').ToBinary(0))
    raw[place % len(raw)] = value
    tables = read_binaries([whole, bytes(raw[: max(cut, 30)]), whole])
    assert tables.is_read[[0, 2]].all()
    assert len(tables.atomic_numbers) == tables.atom_counts.sum()
    assert len(tables.begins) == tables.bond_counts.sum()


def test_nothing_is_nothing():
    assert len(graphs_of_tables(read_binaries([]))) == 0


@pytest.mark.parametrize('count', [400, pytest.param(20_000, marks=pytest.mark.slow)])
def test_moses_is_read_as_rdkit_tells(moses, count):
    assert equal(screen_graphs(moses[:count]).features, asked(moses[:count]))
