"""Openings: models that are fitted and asked in seconds, in the driver."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.models.environment_counts import Vocabulary
from scoutbee.models.environment_ridge import EnvironmentRidge
from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.graphs import restore_graphs
from scoutbee.models.opening import Opener, make_opening, spread_rows
from scoutbee.models.registry import make_surrogate
from scoutbee.models.surrogate import TrainingData


@pytest.fixture(scope='module')
def graphs(molecules):
    return GraphFeaturizer(processes=1).featurize(molecules[0])


def renumbered(graphs):
    """The same molecules with their atoms and bonds in the opposite order."""
    arrays = {name: array.copy() for name, array in graphs.arrays().items()}
    for row in range(len(graphs)):
        atoms = slice(*graphs.atom_offsets[row : row + 2])
        bonds = slice(*graphs.bond_offsets[row : row + 2])
        last = atoms.stop - atoms.start - 1
        arrays['atoms'][atoms] = graphs.atoms[atoms][::-1]
        arrays['bonds'][bonds] = graphs.bonds[bonds][::-1]
        arrays['begins'][bonds] = last - graphs.ends[bonds][::-1]
        arrays['ends'][bonds] = last - graphs.begins[bonds][::-1]
    return restore_graphs(arrays)


def test_it_predicts_molecules_that_it_has_not_seen(graphs, molecules):
    values = molecules[1]
    known = np.arange(0, len(values), 2)
    asked = np.arange(1, len(values), 2)
    model = EnvironmentRidge.fit(TrainingData(graphs.take(known), values[known]))
    predicted = model.predict(graphs.take(asked))
    assert predicted.dtype == np.float32
    error = np.sqrt(np.mean((predicted - values[asked]) ** 2))
    assert error < 0.65 * values[asked].std()


def test_predictions_depend_neither_on_the_order_of_atoms_nor_on_the_company(graphs, molecules):
    model = EnvironmentRidge.fit(TrainingData(graphs, molecules[1]))
    alone = np.concatenate([model.predict(graphs.take(np.array([row]))) for row in range(20)])
    np.testing.assert_allclose(model.predict(graphs)[:20], alone, rtol=1e-6)
    np.testing.assert_allclose(model.predict(renumbered(graphs)), model.predict(graphs), rtol=1e-6)


def test_environments_are_counted(graphs):
    smiles = ['CC', 'CCC', 'CCO', 'C1CC1', '[Na+].[Cl-]']
    known = GraphFeaturizer(processes=1).featurize(smiles)
    vocabulary = Vocabulary.of(known)
    counts = vocabulary.count(known)
    # CC has two equal atoms; CCC two ends and a middle; CCO three different; C1CC1 three equal ones.
    per_kind = [counts.counts[(counts.molecules == row) & (counts.columns < vocabulary.kinds)] for row in range(5)]
    assert [sorted(found.tolist()) for found in per_kind] == [[2], [1, 2], [1, 1, 1], [3], [1, 1]]
    assert counts.atoms.tolist() == [2, 3, 3, 3, 2]
    strange = GraphFeaturizer(processes=1).featurize(['FS(F)(F)(F)(F)F'])
    assert vocabulary.count(strange).size == 1
    assert len(vocabulary.count(strange).counts) == 0


def test_values_that_are_all_the_same_are_predicted(graphs):
    values = np.full(len(graphs), 7.5)
    np.testing.assert_allclose(EnvironmentRidge.fit(TrainingData(graphs, values)).predict(graphs), 7.5)


@pytest.mark.parametrize('name', ['mpnn', 'environments', 'fingerprint'])
def test_surrogates_of_molecules_open(name, molecules):
    surrogate = make_surrogate(name, {'processes': 1} if name == 'fingerprint' else {})
    assert isinstance(surrogate, Opener)
    smiles, values = molecules
    features = surrogate.featurizer.featurize(smiles)
    known = np.arange(100, 200)
    opening = make_opening(surrogate, features, 100, known, values[known])
    assert opening.rows.tolist() == list(range(100))
    assert np.corrcoef(opening.values, values[:100])[0, 1] > 0.5
    again = make_opening(surrogate, features, 100, known, values[known])
    assert opening.values.tolist() == again.values.tolist()


def test_nothing_is_imported_that_takes_seconds():
    code = (
        'import sys, numpy as np\n'
        'from scoutbee.models.registry import make_surrogate\n'
        'from scoutbee.models.graphs import MoleculeGraphs\n'
        'from scoutbee.models.opening import make_opening\n'
        'n = np.arange(13, dtype=np.int64)\n'
        'graphs = MoleculeGraphs(2 * n, n, np.arange(24, dtype=np.uint32), np.ones(12, dtype=np.uint8),\n'
        '    np.zeros(12, dtype=np.uint16), np.ones(12, dtype=np.uint16))\n'
        'make_opening(make_surrogate("mpnn"), graphs, 12, np.arange(12), np.linspace(0, 1, 12))\n'
        'print(sorted({"tensorflow", "keras", "rdkit", "sklearn", "pandas"} & set(sys.modules)))\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


@given(st.integers(1, 60_000), st.integers(1, 70_000))
def test_rows_are_spread_over_all(size, most):
    rows = spread_rows(size, most)
    assert 0 < len(rows) <= min(size, most)
    assert (np.diff(rows) > 0).all()
    assert rows[0] == 0
    assert rows[-1] < size
    if most >= size:
        assert len(rows) == size
    elif most >= 2:
        assert rows[-1] == size - 1
        assert len(rows) > most / 2
