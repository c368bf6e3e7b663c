"""A run directory as a steered campaign would have written it, without running one.

For tests and benchmarks of what reads run directories. Times, sizes and choices are drawn so that they look like those
of a real campaign: workers take turns, rounds train, choices get better, some simulations fail.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

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

_TOP = 20


@dataclass
class SyntheticRun:
    """Writes the ledger of a steered campaign through the real writer.

    Attributes:
        run_dir: Where.
        count: Simulations that succeed.
        workers: Simulation workers.
        retrain_every: Observations between training rounds, which take turns on one worker.
        members: Models of the ensemble.
        chunks: Chunks of the search space that each model is asked about.
        chunk_seconds: How long one of them takes.
        failures: Simulations that fail.
        molecules: Whether keys are SMILES.
        seed: Of everything that is drawn.
        objective: What is looked for.
    """

    run_dir: Path
    count: int = 90
    workers: int = 4
    retrain_every: int = 15
    members: int = 4
    chunks: int = 1
    chunk_seconds: float = 1.35
    failures: int = 4
    molecules: bool = True
    seed: int = 0
    objective: Objective = IP
    _rng: np.random.Generator = field(init=False)

    def write(self, upto: int | None = None) -> Path:
        """Write the run, or only the first records of it; returns its directory."""
        self._rng = np.random.default_rng(self.seed)
        records = sorted(self._records(), key=lambda record: record.time)
        with TraceWriter(self.run_dir) as writer:
            for record in records[:upto]:
                writer.write(record)
        return self.run_dir

    def _records(self) -> Iterator[Record]:
        yield EventRecord(time=START, agent='driver', event='started', message='The campaign starts.')
        free = [(START + 3.0 + 0.2 * i, i) for i in range(self.workers)]
        ready: list[tuple[float, int]] = [(START, 0)]
        done = 0
        for number in range(self.count + self.failures):
            since, slot = heapq.heappop(free)
            began = since + float(self._rng.exponential(0.15)) + 0.01
            ended = began + float(self._rng.lognormal(1.0, 0.4))
            heapq.heappush(free, (ended, slot))
            generation = next(g for at, g in reversed(ready) if at <= began)
            simulation = self._simulation(number, generation, since, began, ended, f'nid{slot // 2}:{slot}')
            yield self._submission(simulation, since)
            yield simulation
            done += simulation.success
            if simulation.success and done % self.retrain_every == 0 and ready[-1][0] <= ended:
                *learned, at = self._learning(len(ready), done, ended)
                yield from learned
                ready.append((at, len(ready)))

    def _submission(self, record: SimulationRecord, since: float) -> Record:
        facts = {name: getattr(record, name) for name in ('key', 'row', 'args', 'choice', 'attempt', 'task_id')}
        created = record.timestamps['created']
        facts['waited'] = {'buffer': round(0.5 * max(0.0, created - since), 6)}
        return EventRecord(
            time=created, agent='simulation launcher', event='submitted', message=f'Simulate {record.key}', facts=facts
        )

    def _simulation(
        self, number: int, generation: int, since: float, began: float, ended: float, worker: str
    ) -> SimulationRecord:
        failed = bool(self.failures) and number % (self.count // self.failures) == 7
        value = float(self._rng.normal(12.2 + 0.45 * min(generation, 4), 0.55))
        std = 0.5 / (1 + 0.5 * generation)
        mean = value + float(self._rng.normal(0.15, std))
        key = self._key(number)
        failure = FailureRecord(
            kind='convergence', error='ConvergenceTaskError', traceback='Traceback …\n  relax()',
            message=f'The relaxation of {key} did not converge in {200 + number} steps.',
        )  # fmt: skip
        chosen = {'ranking': generation, 'score': mean + std, 'mean': mean, 'std': std, 'generation': generation}
        return SimulationRecord(
            **self._task(f's{number}', 'simulate', since + 0.3 * (began - since), began, ended, worker),
            success=not failed, failure=failure if failed else None, sizes={'inputs': 60 + len(key), 'value': 900},
            key=key, row=number, args=[key], choice=chosen if generation else {'ranking': 0},
            outcome='failed' if failed else 'observed', value=None if failed else value,
            output=None if failed else {'ip_ev': value, 'smiles': key},
        )  # fmt: skip

    def _key(self, number: int) -> str:
        if not self.molecules:
            return f'point-{number:04d}'
        # A chain in front that spells the number makes more molecules of the few.
        chain, spelled = number // len(SMILES), ''
        while chain:
            chain, digit = divmod(chain, 3)
            spelled += 'NOS'[digit]
        return 'C' * bool(spelled) + spelled + SMILES[number % len(SMILES)]

    def _task(
        self, task_id: str, method: str, created: float, began: float, ended: float, worker: str
    ) -> dict[str, Any]:
        """The fields of a task's record that all kinds have."""
        taken = created + 0.4 * (began - created)
        spans = {'running': ended - began - 0.002, 'deserialize_inputs': 0.001, 'serialize_results': 0.001}
        return {
            'time': ended + 0.02, 'task_id': task_id, 'method': method, 'worker': worker, 'host': worker.split(':')[0],
            'timestamps': {
                'created': created, 'input_received': taken, 'start_task_submission': taken,
                'compute_started': began, 'compute_ended': ended, 'task_received': ended + 0.004,
                'result_sent': ended + 0.005, 'result_received': ended + 0.015,
            },
            'spans': spans, 'worker_info': {'pid': 7, 'cpu_seconds': ended - began, 'versions': {'python': '3.11'}},
        }  # fmt: skip

    def _learning(self, generation: int, size: int, at: float) -> Iterator[Any]:
        """The records of a round, and when it was over."""
        facts = {
            'generation': generation, 'observations': size, 'taken': size, 'rows': size,
            'members': list(range(self.members)), 'started': at,
        }  # fmt: skip
        yield EventRecord(time=at, agent='trainer', event='training_started', message='Training.', facts=facts)
        clock = at
        for member in range(self.members):
            ended = clock + 2.0 + float(self._rng.exponential(0.5))
            yield TrainingRecord(
                **self._task(f't{generation}-{member}', 'train', clock + 0.05, clock + 0.1, ended, 'gpu0:1'),
                success=True, generation=generation, member=member, observations=size, metrics={'val_loss': math.nan},
                model_file=f'models/g{generation}m{member}.npz', sizes={'inputs': 4000, 'value': 500_000},
            )  # fmt: skip
            clock = ended + 0.05
            for chunk in range(self.chunks):
                yield self._inference(generation, member, chunk, clock)
                clock += self.chunk_seconds + 0.1
        yield self._selection(generation, size, at, clock + 0.1)
        if generation == 2:
            yield EventRecord(
                time=clock + 0.2, agent='buffer manager', event='constant_predictions', level='warning',
                message='Predictions are nearly constant: their standard deviation is 0.002 eV.',
            )  # fmt: skip
        yield clock + 0.1

    def _inference(self, generation: int, member: int, chunk: int, at: float) -> InferenceRecord:
        began, ended = at + 0.05, at + 0.05 + self.chunk_seconds
        first = generation == 1 and member == 0
        move = {'bytes': 2_000_000, 'seconds': 0.02 if first else 2e-6, 'hit': not first, 'time': began + 0.03}
        proxies = {f'chunk-{chunk}': {'in': move}}
        return InferenceRecord(
            **self._task(f'i{generation}-{member}-{chunk}', 'infer', at + 0.01, began, ended, 'gpu0:1'),
            success=True, generation=generation, members=[member], chunk=chunk, rows=20_000, proxies=proxies,
            sizes={'inputs': 3000, 'value': 80_000},
        )  # fmt: skip

    def _selection(self, generation: int, size: int, started: float, at: float) -> SelectionRecord:
        means = np.sort(self._rng.normal(13.5, 0.3, _TOP))[::-1]
        rows = size + self._rng.permutation(3 * _TOP)[:_TOP]
        top = [
            {'key': self._key(int(row)), 'row': int(row), 'ranking': generation, 'score': mean + 0.2, 'mean': mean,
             'std': 0.2, 'generation': generation}
            for row, mean in zip(rows, means.tolist(), strict=True)
        ]  # fmt: skip
        return SelectionRecord(
            time=at, ranking=generation, models=[f'g{generation}m{m}' for m in range(self.members)], top=top,
            scored=20_000 * self.chunks, kept=32, observations=size, taken=size, seconds=0.05, started=started,
            warnings=['Predictions are nearly constant.'] if generation == 2 else [],
        )  # fmt: skip
