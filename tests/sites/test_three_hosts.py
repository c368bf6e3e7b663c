"""The campaign of the original's README across three hosts: one of them reaches neither Redis nor anything else."""

import csv
import gzip
import re
import time

import pytest
import yaml
from campaign_runs import ROOT, ackley_flags
from three_hosts import HOSTS, TASK_PORTS, ThreeHosts, why_not

from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord, SimulationRecord, TrainingRecord
from scoutbee.traces.summary import read_summary

REASON = why_not()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.hosts,
    pytest.mark.timeout(600),
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]

SIMULATIONS = 8
CUT_SECONDS = 10


@pytest.fixture
def hosts():
    with ThreeHosts() as made:
        yield made


@pytest.fixture
def runs(runs, hosts):
    """Drivers on the host of that name."""
    runs.program = hosts.command('driver', *runs.program)
    return runs


@pytest.fixture
def site(tmp_path, hosts):
    """Simulations on one host, learning on another."""
    executors = {
        'cpu': {'kinds': ['simulate'], 'workers': 2, 'launch_prefix': hosts.launch_prefix('cpu')},
        'gpu': {'kinds': ['train', 'infer'], 'workers': 1, 'launch_prefix': hosts.launch_prefix('gpu')},
    }
    for executor in executors.values():
        executor['env'] = {'OMP_NUM_THREADS': '1'}
    file = tmp_path / 'three-hosts.yaml'
    content = {'name': 'three-hosts', 'engine': 'parsl', 'address': HOSTS['driver'], 'executors': executors}
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture
def molecules(tmp_path, site):
    """Flags of a small campaign over real molecules, in chunks of more than 500,000 bytes."""
    space = tmp_path / 'space.smi'
    with gzip.open(ROOT / 'data' / 'moses-20k.smi.gz', 'rt') as file:
        space.write_text(''.join(line for _, line in zip(range(5000), file, strict=False)))
    known = tmp_path / 'known.csv'
    with (ROOT / 'data' / 'moses-ip-gfn2.csv').open() as source, known.open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerows(row for _, row in zip(range(201), csv.reader(source), strict=False))
    return (
        '--campaign', 'molecules', '--site', site, '--search-space', space, '--training-set', known,
        '--qc-specification', 'xtb-vertical', '--surrogate', 'fingerprint', '--model-count', '2',
        '--molecules-per-ml-task', '2500', '--search-size', SIMULATIONS, '--retrain-frequency', '4', '--seed', '1',
    )  # fmt: skip


def backends(simulate, infer, train):
    return [f'--simulate-ps-backend={simulate}', f'--infer-ps-backend={infer}', f'--train-ps-backend={train}']


def ports(hosts):
    """Ports at the driver's address that belong to the task channel, and the others."""
    found = {port for address, port in hosts.listening('driver') if address == HOSTS['driver']}
    return found & set(TASK_PORTS), found - set(TASK_PORTS)


def where(runs, kind):
    """Hosts that tasks ran on."""
    return {record.host for record in read(runs.directory, kind)}


def largest_input(runs, kind):
    """Bytes of the largest object that a task was lent."""
    moves = [move for record in read(runs.directory, kind) for move in record.proxies.values()]
    return max(move['in']['bytes'] for move in moves if 'in' in move)


@pytest.fixture
def cut_short(runs):
    """Settings of a campaign that does not wait long for what cannot be reached."""
    file = runs.folder / 'short.yaml'
    # A molecule is some 50 bytes: with the threshold of the others no simulation would use its backend.
    file.write_text(
        yaml.safe_dump({'ps_threshold': {'simulate': 0, 'infer': 500_000, 'train': 50_000}, 'redis_patience': 5})
    )
    return ('--config', file)


def test_simulations_by_redis_and_learning_by_files_where_no_host_sees_all(runs, hosts, molecules, cut_short):
    # Paused, because the molecules to begin with would be enough, and nobody would need a ranking.
    driver = runs.start(*molecules, *backends('redis', 'file', 'file'), *cut_short, '--pause-during-update')
    runs.wait_for_results(1)
    tasks, others = ports(hosts)
    (redis,) = others
    assert {address for address, _ in hosts.listening('driver')} == {'127.0.0.1', HOSTS['driver']}  # never all
    assert hosts.reaches('cpu', HOSTS['driver'], redis)
    assert not hosts.reaches('gpu', HOSTS['driver'], redis)
    assert all(hosts.reaches('gpu', HOSTS['driver'], port) for port in tasks)
    runs.finish(driver)
    assert runs.assert_complete(SIMULATIONS).proxies.created > SIMULATIONS
    assert where(runs, SimulationRecord) == {'cpu'}
    assert where(runs, TrainingRecord) == where(runs, InferenceRecord) == {'gpu'}
    assert largest_input(runs, InferenceRecord) > 500_000
    runs.assert_nothing_left()


def test_a_backend_that_a_host_does_not_reach_ends_the_campaign_with_topic_backend_and_host(runs, molecules, cut_short):
    said = runs(*molecules, *backends('redis', 'redis', 'file'), *cut_short, '--pause-during-update', status=3)
    summary = read_summary(runs.directory)
    assert summary.status == 'failed'
    (port,) = set(re.findall(rf'from the backend redis \({HOSTS["driver"]}:(\d+)\)', summary.reason))
    assert (
        f"Inputs of topic 'infer' could not be fetched on host gpu from the backend redis ({HOSTS['driver']}:{port})"
        in said
    )
    assert '--infer-ps-backend' in summary.reason
    assert summary.proxies.leaked == 0
    runs('--resume', runs.directory, '--infer-ps-backend', 'file', '--quiet')
    runs.assert_complete(SIMULATIONS)
    runs.assert_nothing_left()


@pytest.mark.parametrize('host', ['cpu', 'gpu'])
def test_a_host_that_is_cut_off_for_a_while_loses_nothing(runs, hosts, site, host):
    flags = ackley_flags(runs.folder, 60, delay=0.05, engine='parsl', ps_threshold=0)
    driver = runs.start(*flags, '--site', site, *backends('redis', 'file', 'file'))
    runs.wait_for_results(10)
    port = next(iter(ports(hosts)[0]))
    assert hosts.reaches(host, HOSTS['driver'], port)
    with hosts.cut_off(host):
        assert not hosts.reaches(host, HOSTS['driver'], port)
        time.sleep(CUT_SECONDS)  # this is what is tested, not waited for
        assert driver.poll() is None, 'it ended before it was missed'
    runs.finish(driver)
    runs.assert_complete(60)
    assert where(runs, SimulationRecord) == {'cpu'}
    runs.assert_nothing_left()
