"""Every failure of a molecule says which and why, knows what would help, and survives the way back from a worker."""

import copy
import inspect
import pickle

import pytest

from scoutbee.contracts.errors import FailureKind
from scoutbee.simulation import errors

CONCRETE = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, errors.MoleculeError) and each not in (errors.MoleculeError, errors.MoleculeInputError)
]


@pytest.mark.parametrize('kind', CONCRETE, ids=lambda kind: kind.__name__)
def test_errors_survive_pickling_with_all_they_know(kind):
    error = kind('CCO', 'it would not.')
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (again.smiles, again.cause, again.kind) == ('CCO', 'it would not', error.kind)
        assert str(again) == str(error)


@pytest.mark.parametrize('kind', CONCRETE, ids=lambda kind: kind.__name__)
def test_the_message_names_the_molecule_and_the_cause(kind):
    assert "'CCO'" in str(kind('CCO', 'it would not'))
    assert str(kind('CCO', 'it would not')).endswith('it would not.')


def test_errors_are_sorted_by_what_helps():
    assert errors.ScfError('C', 'x').kind is FailureKind.CONVERGENCE
    assert errors.RelaxationError('C', 'x').kind is FailureKind.CONVERGENCE
    assert errors.MissingProgramError('C', 'x').kind is FailureKind.RESOURCE
    for kind in CONCRETE:
        if issubclass(kind, errors.MoleculeInputError):
            assert kind('C', 'x').kind is FailureKind.INPUT
