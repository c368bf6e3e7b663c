"""The linear algebra that tblite uses."""

import ctypes
import os
import subprocess
import sys

import pytest

CODE = """
import sys
from scoutbee.simulation.ionization import ionization_potential
record = ionization_potential('CO')
print(record['versions']['blas'], record['ip_ev'])
"""


def _run(code):
    env = {**os.environ, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


def _has_openblas():
    try:
        ctypes.CDLL('libopenblas.so.0')
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_openblas(), reason='this machine has no OpenBLAS')
def test_that_of_the_machine_gives_the_same_energies_as_that_of_the_wheel():
    name, version, value = _run(CODE)
    *_, wheel = _run(f'import tblite.interface\n{CODE}')
    assert name == 'OpenBLAS'
    assert version[0].isdigit()
    assert float(value) == pytest.approx(float(wheel), abs=1e-6)


def test_where_tblite_is_loaded_already_its_own_is_used():
    *blas, _ = _run(f'import tblite.interface\n{CODE}')
    assert blas == ['of', 'tblite']
