"""The campaigns that chaos is let loose on: whole search spaces, so that whoever is chosen when, all are simulated."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]

# A candidate that takes two workers down is quarantined. Here it is not the candidate that does.
_POLICY: Mapping[str, Any] = {
    'slots': {'reserve': 0},
    'slot_moves': [],
    'worker_kills': 1_000,
    'losses': 1_000,
}

SMALL_MOLECULES = Path(__file__).with_name('small_molecules.smi')
"""Real molecules that take GFN2-xTB a tenth of a second, or a few tenths."""


@dataclass(frozen=True)
class Setup:
    """One campaign on one engine.

    Attributes:
        campaign: Its name.
        engine: Its engine.
        settings: What is set beside the campaign's own settings, as in a settings file.
    """

    campaign: str
    engine: str
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        return f'{self.campaign} on {self.engine}'

    @property
    def size(self) -> int:
        """How many candidates there are, all of which are to be simulated."""
        return int(self.settings['search_size'])


def ackley(engine: str, folder: Path, size: int | None = None) -> Setup:
    """Points that take a seventh of a second each, more or less; large objects go through files."""
    size = size or 400
    settings = {
        'ackley': {'points': size, 'delay_log_mean': -2.0, 'delay_log_std': 0.5, 'delay_scale': 1.0},
        'search_size': size,
        'buffer_size': size,
        'retrain_frequency': max(10, size // 10),
        'molecules_per_ml_task': (size + 1) // 2,
        'num_qc_workers': 2,
        **_backends('file'),
        'policy': {**_POLICY, 'prefetch': 2},
    }
    return Setup('ackley', engine, settings)


def molecules(engine: str, folder: Path, size: int | None = None) -> Setup:
    """Real small molecules by GFN2-xTB, nothing known of them before; large objects go through Redis."""
    chosen = SMALL_MOLECULES.read_text().split()[:size]
    space = folder / f'small-molecules-{len(chosen)}.smi'
    space.write_text('\n'.join(chosen) + '\n')
    settings = {
        'search_space': str(space),
        'training_set': None,
        'search_size': len(chosen),
        'surrogate': 'fingerprint',
        'model_count': 4,
        'retrain_frequency': 10,
        'buffer_size': 20,
        'molecules_per_ml_task': 20,
        'num_qc_workers': 2,
        **_backends('redis'),
        'policy': {**_POLICY, 'prefetch': 1, 'rerank': 'model'},
    }
    return Setup('molecules', engine, settings)


CAMPAIGNS: Mapping[str, Callable[..., Setup]] = {'ackley': ackley, 'molecules': molecules}
"""What there is to choose from; each is given an engine, a folder for its files and, perhaps, its size."""


@dataclass(frozen=True)
class Place:
    """Where one campaign runs: everything it writes, its temporary files among it, is under one folder."""

    folder: Path
    cache: Path

    @property
    def runs(self) -> Path:
        """Where its run directory is made."""
        return self.folder / 'runs'

    @property
    def temporary(self) -> Path:
        """What is ``TMPDIR`` to it."""
        return self.folder / 'tmp'

    @property
    def output(self) -> Path:
        """What its drivers printed."""
        return self.folder / 'output.log'

    def environment(self) -> dict[str, str]:
        """The environment of its drivers: this one's, and where things lie."""
        places = {'TMPDIR': str(self.temporary), 'XDG_CACHE_HOME': str(self.cache), 'OMP_NUM_THREADS': '1'}
        return {**{name: value for name, value in os.environ.items() if not name.startswith('SCOUTBEE_')}, **places}

    def run_dir(self) -> Path | None:
        """The run directory, once there is one that can be gone on with."""
        found = [params.parent for params in self.runs.glob('*/params.yaml')]
        return found[0] if found else None

    def prepare(self, setup: Setup) -> None:
        """Make the folders and write the settings."""
        self.temporary.mkdir(parents=True)
        (self.folder / 'settings.yaml').write_text(yaml.safe_dump(dict(setup.settings)))


def start_driver(setup: Setup, place: Place, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start ``run.py`` as a person would, in a session of its own: on the run directory, where there is one."""
    run_dir = place.run_dir()
    flags: Sequence[str]
    if run_dir is not None:
        flags = ['--resume', str(run_dir)]
    else:
        flags = ['--campaign', setup.campaign, '--site', 'local', '--engine', setup.engine]
        flags = [*flags, '--config', str(place.folder / 'settings.yaml'), '--runs-dir', str(place.runs)]
    with place.output.open('ab') as output:
        return subprocess.Popen(
            [sys.executable, str(ROOT / 'run.py'), *flags, '--quiet'],
            cwd=place.folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _backends(name: str) -> dict[str, Any]:
    """All that is worth a hundred bytes goes through one backend of ProxyStore."""
    return {**{f'{topic}_ps_backend': name for topic in ('simulate', 'train', 'infer')}, 'ps_threshold': 100}
