"""Synthetic run directories with realistic numbers, written through the real writer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from scoutbee.contracts.candidates import Objective
from scoutbee.traces.records import (
    EventRecord,
    FailureRecord,
    InferenceRecord,
    Record,
    SelectionRecord,
    SimulationRecord,
    TrainingRecord,
)
from scoutbee.traces.writer import TraceWriter

IP = Objective(name='ionization potential', unit='eV', maximize=True, threshold=14.0)
START = 1_700_000_000.0

SMILES = [
    'COc1cccc(C(=O)NC(C)c2cccc(NS(C)(=O)=O)c2)c1', 'CCc1nccc(-c2nccn2C(C)c2nc(C)cs2)n1', 'C(=O)Nc1ccc(O)cc1',
    'CN1C=NC2=C1C(=O)N(C(=O)N2C)C', 'c1ccc(C(F)(F)F)cc1', 'CS(=O)(=O)c1ccc(Cl)cc1', 'c1cc(C#N)ccn1',
    'OCC1OC(O)C(O)C(O)C1O', 'c1ccc(cc1)C(C)C(=O)O', 'c1ccccc1[N+](=O)[O-]', 'C1CCOC1',
]  # fmt: skip


@dataclass
class Synthetic:
    """Writes a steered campaign as its agents would: workers take turns, rounds train, choices get better."""

    run_dir: Path
    count: int = 90
    workers: int = 4
    retrain_every: int = 15
    members: int = 4
    failures: int = 4
    molecules: bool = True
    seed: int = 0
    objective: Objective = IP
    rng: np.random.Generator = field(init=False)

    def write(self, upto: int | None = None) -> Path:
        """Write the run, or only the first records of it."""
        self.rng = np.random.default_rng(self.seed)
        records = sorted(self._records(), key=lambda record: record.time)
        with TraceWriter(self.run_dir) as writer:
            for record in records[:upto]:
                writer.write(record)
        return self.run_dir

    def _records(self) -> list[Record]:
        records: list[Record] = [
            EventRecord(time=START, agent='driver', event='started', message='The campaign starts.')
        ]
        free = [START + 3.0 + 0.2 * i for i in range(self.workers)]
        ready: list[tuple[float, int]] = [(START, 0)]
        done = 0
        for number in range(self.count + self.failures):
            slot = int(np.argmin(free))
            began = free[slot] + float(self.rng.exponential(0.15))
            ended = began + float(self.rng.lognormal(1.0, 0.4))
            free[slot] = ended
            generation = max(g for at, g in ready if at <= began)
            simulation = self._simulation(number, generation, began, ended, f'nid{slot // 2}:{slot}')
            records += [self._submission(simulation, began), simulation]
            done += simulation.success
            if simulation.success and done % self.retrain_every == 0 and ready[-1][0] <= ended:
                learned, at = self._learning(len(ready), done, ended)
                records += learned
                ready.append((at, len(ready)))
        return records

    def _submission(self, record: SimulationRecord, began: float) -> Record:
        facts = {name: getattr(record, name) for name in ('key', 'row', 'args', 'choice', 'attempt', 'task_id')}
        return EventRecord(
            time=began - 0.1, agent='simulation launcher', event='submitted', message=f'{record.key} sent.', facts=facts
        )

    def _simulation(self, number: int, generation: int, began: float, ended: float, worker: str) -> SimulationRecord:
        failed = self.failures and number % (self.count // self.failures) == 7
        value = float(self.rng.normal(12.2 + 0.45 * min(generation, 4), 0.55))
        std = 0.5 / (1 + 0.5 * generation)
        mean = value + float(self.rng.normal(0.15, std))
        key = self._key(number)
        return SimulationRecord(
            time=ended + 0.02, task_id=f's{number}', method='simulate', success=not failed,
            failure=FailureRecord(
                kind='convergence', error='ConvergenceTaskError', traceback='Traceback …\n  relax()',
                message=f'The relaxation of {key} did not converge in {200 + number} steps.',
            ) if failed else None,
            timestamps={'created': began - 0.1, 'compute_started': began, 'compute_ended': ended},
            spans={'running': ended - began}, worker=worker, host=worker.split(':')[0],
            key=key, row=number, args=[key],
            choice={'ranking': generation, 'score': mean + std, 'mean': mean, 'std': std, 'generation': generation}
            if generation else {'ranking': 0},
            outcome='failed' if failed else 'observed', value=None if failed else value,
            output=None if failed else {'ip_ev': value},
        )  # fmt: skip

    def _key(self, number: int) -> str:
        if not self.molecules:
            return f'point-{number:04d}'
        # Chains of carbon in front make more molecules of the few.
        return 'C' * (number // len(SMILES)) + SMILES[number % len(SMILES)]

    def _learning(self, generation: int, size: int, at: float) -> tuple[list[Record], float]:
        facts = {'generation': generation, 'observations': size, 'members': self.members}
        records: list[Record] = [
            EventRecord(time=at, agent='trainer', event='training_started', message='Training.', facts=facts)
        ]
        clock = at
        for member in range(self.members):
            began, ended = clock + 0.1, clock + 2.0 + float(self.rng.exponential(0.5))
            records.append(TrainingRecord(
                time=ended + 0.01, task_id=f't{generation}-{member}', method='train', success=True,
                timestamps={'compute_started': began, 'compute_ended': ended}, spans={}, worker='gpu0:1', host='gpu0',
                generation=generation, member=member, observations=size, metrics={'val_loss': math.nan},
                model_file=f'models/g{generation}m{member}.npz',
            ))  # fmt: skip
            records.append(InferenceRecord(
                time=ended + 1.6, task_id=f'i{generation}-{member}', method='infer', success=True,
                timestamps={'compute_started': ended + 0.1, 'compute_ended': ended + 1.5}, spans={}, worker='gpu0:1',
                host='gpu0', generation=generation, member=member, chunk=0, rows=20_000,
            ))  # fmt: skip
            clock = ended + 1.6
        records.append(SelectionRecord(
            time=clock + 0.1, ranking=generation, models=[f'g{generation}m{m}' for m in range(self.members)],
            scored=20_000, kept=32, seconds=0.05, started=at,
            warnings=['Predictions are nearly constant.'] if generation == 2 else [],
        ))  # fmt: skip
        if generation == 2:
            records.append(EventRecord(
                time=clock + 0.2, agent='buffer manager', event='constant_predictions', level='warning',
                message='Predictions are nearly constant: their standard deviation is 0.002 eV.',
            ))  # fmt: skip
        return records, clock + 0.1


@pytest.fixture
def synthetic(tmp_path: Path) -> Callable[..., Synthetic]:
    """A maker of synthetic runs; arguments as the fields of ``Synthetic``."""
    return lambda name='run', **settings: Synthetic(tmp_path / name, **settings)


@pytest.fixture
def objective() -> Objective:
    return IP


@pytest.fixture(scope='session')
def reference_values() -> list[float]:
    """Values a random pick of the search space might have."""
    return np.random.default_rng(1).normal(12.2, 0.6, size=400).tolist()
