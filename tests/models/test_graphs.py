import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit.Chem import MolFromSmiles

from scoutbee.contracts.errors import InputTaskError
from scoutbee.models.graph_featurizer import PARALLEL_FROM, GraphFeaturizer
from scoutbee.models.graphs import ATOM_COLUMNS, restore_graphs
from scoutbee.models.mpnn_batches import make_batch, pad_batch

SMILES = [
    'C',
    'CCO',
    'c1ccccc1',
    'N#Cc1ccc(S(=O)(=O)N2CC2)cc1',
    '[NH4+].[Cl-]',
    '[Xe]',
    'CC(=O)[O-]',
    'C1CCCCCCCCC1',
    'O',
]
graphs_of = GraphFeaturizer(processes=1).featurize
READ = {column.name: column for column in ATOM_COLUMNS}


def equal(one, other):
    return all(np.array_equal(array, other.arrays()[name]) for name, array in one.arrays().items())


def test_codes_say_what_rdkit_says():
    for smiles in SMILES:
        mol, graphs = MolFromSmiles(smiles), graphs_of([smiles])
        columns = {column.name: column.read(graphs.atoms).tolist() for column in ATOM_COLUMNS}
        assert columns['degree'] == [atom.GetDegree() for atom in mol.GetAtoms()]
        assert columns['hydrogens'] == [atom.GetTotalNumHs() for atom in mol.GetAtoms()]
        assert columns['charge'] == [atom.GetFormalCharge() + 4 for atom in mol.GetAtoms()]
        assert columns['aromatic'] == [atom.GetIsAromatic() for atom in mol.GetAtoms()]
        bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
        assert list(zip(graphs.begins.tolist(), graphs.ends.tolist(), strict=True)) == bonds


def test_unknown_elements_share_one_code_and_rings_have_their_size():
    elements = READ['element'].read(graphs_of(['[Xe]', '[Rn]', 'C']).atoms)
    assert elements.tolist()[:2] == [0, 0]
    assert elements[2] != 0
    rings = [int(READ['ring'].read(graphs_of([s]).atoms)[0]) for s in ('CC', 'C1CC1', 'C1CCCCC1', 'C1CCCCCCCCCCC1')]
    assert rings == [0, 1, 4, 7]


@given(rows=st.lists(st.integers(-len(SMILES), len(SMILES) - 1)))
def test_taking_rows_is_featurizing_those_molecules(rows):
    taken = graphs_of(SMILES).take(np.array(rows, dtype=np.int64))
    assert equal(taken, graphs_of([SMILES[row] for row in rows]))


@given(st.slices(len(SMILES)))
def test_a_slice_is_those_molecules(rows):
    assert equal(graphs_of(SMILES).take(rows), graphs_of(SMILES[rows]))


def test_a_plain_slice_shares_memory_and_a_mask_selects():
    graphs = graphs_of(SMILES)
    assert np.shares_memory(graphs.take(slice(2, 5)).atoms, graphs.atoms)
    assert equal(graphs.take(np.arange(len(SMILES)) % 2 == 0), graphs_of(SMILES[::2]))
    assert graphs.nbytes == sum(array.nbytes for array in graphs.arrays().values())


def test_arrays_restore_without_a_copy_also_from_memory_maps(tmp_path):
    graphs = graphs_of(SMILES)
    mapped = {}
    for name, array in graphs.arrays().items():
        np.save(tmp_path / f'{name}.npy', array)
        mapped[name] = np.load(tmp_path / f'{name}.npy', mmap_mode='r')
    restored = GraphFeaturizer().restore(mapped)
    assert equal(restored, graphs)
    assert np.shares_memory(restored.atoms, mapped['atoms'])
    assert equal(pickle.loads(pickle.dumps(restored.take(slice(1, 4)))), graphs_of(SMILES[1:4]))


def test_arrays_that_do_not_fit_are_refused():
    arrays = dict(graphs_of(SMILES).arrays())
    for name in arrays:
        with pytest.raises(InputTaskError, match='missing'):
            restore_graphs({key: array for key, array in arrays.items() if key != name})
        with pytest.raises(InputTaskError):
            restore_graphs({**arrays, name: arrays[name][:-1]})
        with pytest.raises(InputTaskError, match=name):
            restore_graphs({**arrays, name: arrays[name].astype(np.float64)})


@pytest.mark.parametrize('bad', ['C1CC', 'not smiles', '', None, 3, 'C(C)(C)(C)(C)C'])
def test_the_first_that_cannot_be_parsed_is_named(bad):
    with pytest.raises(InputTaskError) as caught:
        GraphFeaturizer().featurize(['CCO', bad, 'also bad'])
    assert repr(bad) in str(caught.value)


def test_no_molecules_are_no_graphs():
    assert len(GraphFeaturizer().featurize([])) == 0


def test_progress_is_told():
    told = []
    piece = GraphFeaturizer.piece
    GraphFeaturizer(processes=1).featurize(['CCO'] * (piece + 500), lambda *seen: told.append(seen))
    done = [0, *(number for number, _ in told)]
    assert {total for _, total in told} == {done[-1]} == {piece + 500}
    assert all(0 < after - before <= piece for before, after in pairwise(done))


@pytest.mark.slow
def test_several_processes_make_the_same_graphs_and_name_the_same_molecule():
    many = (SMILES * (PARALLEL_FROM // len(SMILES) + 1))[: PARALLEL_FROM + 7]
    assert equal(GraphFeaturizer(processes=2).featurize(many), GraphFeaturizer(processes=1).featurize(many))
    with pytest.raises(InputTaskError, match='C1CC'):
        GraphFeaturizer(processes=2).featurize([*many, 'C1CC'])


@pytest.mark.slow
def test_several_processes_start_where_the_temporary_folder_has_a_long_name(tmp_path, monkeypatch):
    folder = tmp_path / ('long' * 25)
    folder.mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(folder))
    assert len(GraphFeaturizer(processes=2).featurize(['CCO'] * (PARALLEL_FROM + 1))) == PARALLEL_FROM + 1


def test_drug_like_molecules_take_less_than_300_bytes():
    smiles = ['COc1cccc(C(=O)NC(C)c2cccc(NS(C)(=O)=O)c2)c1', 'CCc1nccc(-c2nccn2C(C)c2nc(C)cs2)n1'] * 50
    graphs = graphs_of(smiles)
    assert graphs.nbytes / len(graphs) < 300


def test_a_batch_joins_every_atom_by_sorted_bonds_both_ways():
    graphs = graphs_of(SMILES)
    batch = make_batch(graphs)
    assert (np.diff(batch['targets']) >= 0).all()
    assert set(batch['targets'].tolist()) == set(range(len(graphs.atoms)))
    directed = set(zip(batch['sources'].tolist(), batch['targets'].tolist(), strict=True))
    assert directed == {(target, source) for source, target in directed}
    assert (batch['molecules'][batch['sources']] == batch['molecules'][batch['targets']]).all()
    assert batch['sizes'].sum() == len(graphs.atoms)


@settings(max_examples=30)
@given(count=st.integers(1, len(SMILES)), spare=st.integers(0, 5))
def test_padding_leaves_real_molecules_alone(count, spare):
    batch = make_batch(graphs_of(SMILES[:count]))
    padded = pad_batch(batch, count + spare)
    atoms, bonds = len(batch['atoms']), len(batch['bonds'])
    for name, array in batch.items():
        assert np.array_equal(padded[name][: len(array)], array)
    assert len(padded['sizes']) == count + spare + 1
    assert (padded['sizes'] > 0).all()
    assert (padded['targets'][bonds:] >= atoms).all()
    assert (padded['molecules'][atoms:] >= count).all()
    assert (np.diff(padded['molecules']) >= 0).all()
    assert (np.diff(padded['targets']) >= 0).all()
