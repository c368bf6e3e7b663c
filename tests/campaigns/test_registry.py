"""Finding campaigns by name, without paying for what they need."""

import subprocess
import sys

import pytest

from scoutbee.campaigns.options import AckleyOptions, MoleculesOptions
from scoutbee.campaigns.registry import CAMPAIGNS, campaign_entry, make_campaign
from scoutbee.contracts.errors import ConfigurationError

HEAVY = ('tensorflow', 'keras', 'tblite', 'ase', 'sklearn', 'scipy', 'colmena', 'parsl', 'pandas')


def test_an_unknown_campaign_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ConfigurationError, match=r"molecules, ackley, lookup.*'alchemy'"):
        campaign_entry('alchemy')
    with pytest.raises(TypeError, match='MoleculesOptions'):
        make_campaign('molecules', AckleyOptions(), tmp_path)


def test_every_option_is_described_and_nothing_else_is_accepted():
    for entry in CAMPAIGNS.values():
        assert entry.summary
        assert entry.options.model_config['extra'] == 'forbid'
        for field in entry.options.model_fields.values():
            assert field.description
    with pytest.raises(ValueError, match='threshhold'):
        MoleculesOptions.model_validate({'search_space': 'a.smi', 'threshhold': 14})


def imported(code):
    tail = f'; import sys; print(*[m for m in {(*HEAVY, "rdkit", "scoutbee.models", "numpy")!r} if m in sys.modules])'
    return subprocess.run(
        [sys.executable, '-c', code + tail], check=True, capture_output=True, text=True
    ).stdout.split()


def test_asking_which_campaigns_there_are_imports_nothing_heavy():
    assert not {*HEAVY, 'rdkit', 'scoutbee.models'} & set(imported('import scoutbee.campaigns.registry'))


def test_making_a_campaign_imports_neither_tensorflow_nor_tblite(tmp_path):
    (tmp_path / 'a.smi').write_text('CCO\nO\n')
    for surrogate in ('mpnn', 'fingerprint'):
        code = (
            'from pathlib import Path; from scoutbee.campaigns.options import *;'
            'from scoutbee.campaigns.registry import make_campaign;'
            f'o = MoleculesOptions(search_space=Path({str(tmp_path / "a.smi")!r}),'
            f'learning=LearningOptions(surrogate={surrogate!r}));'
            f'c = make_campaign("molecules", o, Path({str(tmp_path / "cache")!r}));'
            'next(c.seeds()); c.tasks(); c.chunks()'
        )
        assert not set(HEAVY) & set(imported(code))
