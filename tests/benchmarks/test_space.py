"""The benchmark of the search space, on a few molecules."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_it_prints_its_tables(benchmarks, tmp_path):
    space = tmp_path / 'space.smi'
    space.write_text('\n'.join('C' * (n % 40 + 1) + 'N' * (n // 40) + 'O' for n in range(400)))
    command = [sys.executable, str(benchmarks / 'space.py'), '--molecules', str(space), '--cores', '1']
    command += ['--sample', '50', '--repeats', '1', '--piece', '200']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in (
        'RDKit alone',
        'fingerprints',
        'from nothing, 1 process',
        'after a kill',
        'from the cache',
        'by file',
    ):
        assert words in done.stdout
    assert '400 candidates, 1,000 known values' in done.stdout
