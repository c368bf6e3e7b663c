"""One start of a driver with a search space, in a process of its own: how long it takes, and how much memory."""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

_STATUS = Path('/proc/self/status')


class Start(BaseModel):
    """What a start took.

    Attributes:
        candidates: Candidates to choose from.
        known: Of which so many, and others, had a value.
        seconds: From the files to the search space.
        cpu_seconds: The same, of this process alone.
        reading_seconds: Of these, for the file of the search space.
        bytes_each: Bytes of the features of a molecule.
        peak_bytes: Most memory that the process ever had, mapped files included.
        went_on_from: Candidates whose features an earlier, killed process had left; None where nothing was computed.
    """

    candidates: int
    known: int
    seconds: float
    cpu_seconds: float
    reading_seconds: float
    bytes_each: float
    peak_bytes: int
    went_on_from: int | None


def start(space: Path, training_set: Path, cache: Path, surrogate: str, processes: int | None) -> Start:
    """Do what the driver does before anything is started."""
    from scoutbee.campaigns.molecule_space import read_molecule_space
    from scoutbee.campaigns.rejects import Rejects
    from scoutbee.campaigns.smiles_files import read_molecules
    from scoutbee.models.registry import make_surrogate

    featurizer: Any = make_surrogate(surrogate).featurizer
    if processes is not None:
        featurizer = dataclasses.replace(featurizer, processes=processes)
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        print(sentence, file=sys.stderr, flush=True)

    began = time.perf_counter()
    with Rejects(None) as rejects:
        read_molecules(space, 'search_space', rejects)
    reading = time.perf_counter() - began
    began, cpu = time.perf_counter(), time.process_time()
    found, smiles = read_molecule_space(space, training_set, 'ip_adiabatic_ev', featurizer, cache, tell)
    return Start(
        candidates=len(smiles),
        known=len(found.known_rows),
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - cpu,
        reading_seconds=reading,
        bytes_each=sum(array.nbytes for array in found.features.arrays().values()) / len(found.features),
        peak_bytes=_peak_bytes(),
        went_on_from=_went_on_from(told),
    )


def _peak_bytes() -> int:
    """Most memory that this program had; ``ru_maxrss`` on Linux is at least what the parent had at the fork."""
    if _STATUS.exists():
        told = next(line for line in _STATUS.read_text().splitlines() if line.startswith('VmHWM:'))
        return int(told.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of macOS, in bytes


def _went_on_from(told: Sequence[str]) -> int | None:
    for sentence in told:
        if 'computing those of' in sentence:
            return 0
        if 'going on from' in sentence:
            return int(sentence.split('going on from ')[1].split(' ')[0].replace(',', ''))
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Start once and print what it took, as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('space', type=Path)
    parser.add_argument('training_set', type=Path)
    parser.add_argument('cache', type=Path)
    parser.add_argument('--surrogate', default='mpnn')
    parser.add_argument('--processes', type=int)
    options = parser.parse_args(arguments)
    took = start(options.space, options.training_set, options.cache, options.surrogate, options.processes)
    print(json.dumps(took.model_dump()))
    return 0


if __name__ == '__main__':
    sys.exit(main())
