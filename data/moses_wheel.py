"""The MOSES training set inside the wheel of ``molsets``."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from scoutbee.contracts.errors import ScoutbeeError

REQUIREMENT = 'molsets==0.3.1'
MEMBER = 'moses/dataset/data/train.csv.gz'
COUNT = 1_584_663

_TIMEOUT = 900


class DownloadError(ScoutbeeError):
    """The wheel could not be had, or does not hold what it should."""


def download(folder: Path, requirement: str = REQUIREMENT) -> Path:
    """Download a wheel by pip, without its dependencies, and return where it is.

    Raises:
        DownloadError: If pip is missing or fails, as it does offline.
    """
    command = [sys.executable, '-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--retries', '2']
    command += ['--timeout', '30', '--disable-pip-version-check', '--dest', str(folder), requirement]
    advice = 'With the wheel at hand, from any machine, give it by --wheel.'
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise DownloadError(f'Downloading {requirement} took longer than {_TIMEOUT} s. {advice}') from None
    if done.returncode:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), 'no reason given')
        raise DownloadError(f'pip could not download {requirement} ({reason.strip()}). Is there a network? {advice}')
    wheels = sorted(folder.glob('*.whl'))
    if len(wheels) != 1:
        raise DownloadError(f'Expected one wheel from pip for {requirement}, got {len(wheels)}. {advice}')
    return wheels[0]


def molecules_in(wheel: Path, expected: int = COUNT) -> Iterator[str]:
    """The SMILES of the training set, as they are written there.

    Args:
        wheel: The wheel of ``molsets``.
        expected: How many there must be.

    Raises:
        DownloadError: After the last one if their number is not as expected, or as soon as the wheel proves damaged.
    """
    count = 0
    try:
        for smiles in _rows(wheel):
            count += 1
            yield smiles
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise DownloadError(f'{wheel} is not a wheel of {REQUIREMENT} that can be read: {error}.') from error
    if count != expected:
        raise DownloadError(f'Expected {expected:,} molecules in {wheel}, got {count:,}: it is not {REQUIREMENT}.')


def _rows(wheel: Path) -> Iterator[str]:
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(MEMBER) as packed,
        gzip.open(packed) as binary,
        io.TextIOWrapper(binary, encoding='utf-8', newline='') as text,
    ):
        rows = csv.reader(text)
        header = next(rows, [])
        if [name.strip().lower() for name in header[:1]] != ['smiles']:
            raise DownloadError(f"Expected a first column 'SMILES' in {MEMBER} of {wheel}, got {header[:1]}.")
        for row in rows:
            yield row[0]
