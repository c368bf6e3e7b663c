"""What a campaign opens to the network: what its workers need, at one address, and nothing else."""

import psutil
import pytest
from campaign_runs import ackley_flags

ADDRESS = '127.0.0.2'
"""Stands for an address at which other machines reach this one."""

REDIS = ('--simulate-ps-backend', 'redis')
ZMQ = ('--infer-ps-backend', 'zmq')

pytestmark = pytest.mark.slow


def listening(process):
    """Addresses at which a process listens."""
    return {c.laddr.ip.removeprefix('::ffff:') for c in process.net_connections('inet') if c.status == 'LISTEN'}


@pytest.mark.parametrize('moves', [REDIS, ZMQ], ids=['redis', 'zmq'])
def test_only_what_workers_use_is_opened_and_only_at_the_address_of_the_driver(runs, moves):
    flags = ackley_flags(runs.folder, 20, delay=0.02, engine='parsl', ps_threshold=0)
    driver = runs.start(*flags, *moves, '--driver-address', ADDRESS, '--quiet')
    runs.wait_for_results(5)
    redis, wanted = runs.redis(), {'127.0.0.1', ADDRESS}
    assert listening(redis) == (wanted if moves is REDIS else {'127.0.0.1'})
    assert listening(psutil.Process(driver.pid)) == (set() if moves is REDIS else {ADDRESS})
    assert set().union(*map(listening, runs.processes())) == wanted
    runs.finish(driver)
    runs.assert_complete(20)


@pytest.mark.parametrize('address', ['0.0.0.0', '::', '*', '198.51.100.1', 'nowhere.invalid'])
def test_an_address_of_all_or_of_another_machine_is_refused_before_anything_starts(runs, address):
    said = runs(*ackley_flags(runs.folder, 20), '--driver-address', address, status=2)
    (line,) = said.splitlines()
    assert 'expected one address of this machine' in line
    assert '--driver-address' in line
    assert runs.directories == []
