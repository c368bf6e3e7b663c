"""Batches that training cuts out of all known molecules."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoutbee.models.graph_featurizer import GraphFeaturizer
from scoutbee.models.mpnn_environments import find_environments
from scoutbee.models.mpnn_wiring import WiredMolecules

SMILES = ['C', 'CO', 'CC(C)(C)O', '[Na+].[Cl-]', 'FS(F)(F)(F)(F)F', 'c1ccccc1', 'C#CC1CCC1', 'OO', 'CC(=O)NC', 'CCO']
GRAPHS = GraphFeaturizer(processes=1).featurize(SMILES)
KNOWN = WiredMolecules(GRAPHS)


def bonded(graphs):
    """Every bond both ways: molecule, codes of its ends, its own. Atoms without bonds are bonded to themselves."""
    found = Counter()
    for row in range(len(graphs)):
        one = graphs.take(slice(row, row + 1))
        alone = set(range(len(one.atoms))) - set(one.begins.tolist()) - set(one.ends.tolist())
        ends = [*zip(one.begins.tolist(), one.ends.tolist(), one.bonds.tolist(), strict=True)]
        for source, target, kind in [*ends, *((b, a, k) for a, b, k in ends), *((a, a, 0) for a in alone)]:
            found[row, int(one.atoms[source]), int(one.atoms[target]), kind] += 1
    return found


def targets_of(wires, count):
    """The target of each bond."""
    places = np.arange(count)[:, None].astype(np.float32)
    targets = np.full(len(wires.sources), -1)
    for group in wires.groups:
        targets[group.bonds] = np.tile(places[group.targets, 0], group.neighbours)
    return targets


orders = st.lists(st.integers(0, len(SMILES) - 1), min_size=1, max_size=len(SMILES), unique=True)


@settings(max_examples=30)
@given(orders)
def test_a_batch_has_the_atoms_and_bonds_of_its_molecules(rows):
    some, batch = GRAPHS.take(np.array(rows)), KNOWN.batch(np.array(rows))
    codes, kinds = np.unique(GRAPHS.atoms), np.unique(np.append(GRAPHS.bonds, 0))
    wires, count = batch.rest, len(batch.codes)
    targets = targets_of(wires, count)
    assert (batch.molecules[wires.sources] == batch.molecules[targets]).all()
    atoms = codes[batch.codes]
    found = zip(
        batch.molecules[targets].tolist(),
        atoms[wires.sources].tolist(),
        atoms[targets].tolist(),
        kinds[wires.kinds].tolist(),
        strict=True,
    )
    assert Counter(found) == bonded(some)
    assert (batch.members @ np.ones(count)).tolist() == np.diff(some.atom_offsets).tolist()
    assert (batch.members @ batch.molecules == np.arange(len(rows)) * np.diff(some.atom_offsets)).all()


@settings(max_examples=30)
@given(orders)
def test_what_leaves_an_atom_stands_where_what_leads_to_it_does(rows):
    batch = KNOWN.batch(np.array(rows))
    assert sorted(batch.leaving.tolist()) == list(range(len(batch.leaving)))
    assert (batch.rest.sources[batch.leaving] == targets_of(batch.rest, len(batch.codes))).all()


@settings(max_examples=30)
@given(orders)
def test_atoms_that_are_alike_after_a_round_are_one_environment(rows):
    batch = KNOWN.batch(np.array(rows))
    different = len(np.unique(find_environments(GRAPHS.take(np.array(rows)), 1).atoms))
    assert (np.diff(batch.environments) >= 0).all()
    assert batch.alike.shape == (different, len(batch.codes))
    assert len(batch.environment_codes) == different
    assert (batch.environment_codes[batch.environments] == batch.codes).all()
    assert (batch.alike @ batch.codes == batch.environment_codes * (batch.alike @ np.ones(len(batch.codes)))).all()
    seen = [Counter() for _ in range(different)]
    targets = targets_of(batch.first, different)
    for source, target, kind in zip(batch.first.sources, targets, batch.first.kinds, strict=True):
        seen[target][int(source), int(kind)] += 1
    around = [Counter() for _ in batch.codes]
    places = targets_of(batch.rest, len(batch.codes))
    for source, target, kind in zip(batch.rest.sources, places, batch.rest.kinds, strict=True):
        around[target][int(batch.codes[source]), int(kind)] += 1
    assert [seen[number] for number in batch.environments] == around


@pytest.mark.parametrize('rows', [[3], [1, 0], list(range(len(SMILES)))])
def test_the_same_rows_make_the_same_batch(rows):
    first, again = KNOWN.batch(np.array(rows)), WiredMolecules(GRAPHS).batch(np.array(rows))
    assert first.leaving.tolist() == again.leaving.tolist()
    assert first.rest.sources.tolist() == again.rest.sources.tolist()
    assert first.molecules.tolist() == again.molecules.tolist()
