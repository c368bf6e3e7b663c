"""The committed data files are what their README says."""

import csv

import pytest

from scoutbee import data
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.data.molecule_files import read_molecules


def test_the_default_search_space_has_20000_distinct_molecules_none_of_them_known():
    space = list(read_molecules(data.path('moses-20k.smi.gz')))
    known = set(read_molecules(data.path('moses-ip-gfn2.csv')))
    assert len(space) == len(set(space)) == 20_000
    assert len(known) == 1_000
    assert not known & set(space)


def test_reference_values_are_numbers_of_the_expected_size():
    with data.path('moses-ip-gfn2.csv').open() as stream:
        rows = list(csv.DictReader(stream))
    assert all(9 < float(row['ip_adiabatic_ev']) <= float(row['ip_vertical_ev']) + 1e-6 < 20 for row in rows)


@pytest.mark.parametrize('name', ['nothing.csv', '../pyproject.toml', '__init__.py', ''])
def test_only_data_files_are_found(name):
    with pytest.raises(ConfigurationError, match='moses-20k'):
        data.path(name)
