"""Whole campaigns through Globus Compute, as far as no cloud can be reached: its service is a stand-in."""

import sys

import pytest
import yaml
from campaign_runs import ackley_flags

from scoutbee.testing.globus_service import GlobusService
from scoutbee.traces.summary import read_summary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UNKNOWN = '6b7c8f6e-6d0e-4a0e-9a38-2f9d5b9d2c11'
LARGE = {
    'ackley': {'points': 100_000, 'dimension': 12, 'delay_scale': 0.0},
    'search_size': 20,
    'retrain_frequency': 12,
    'pause_during_update': 'launch',  # so that nothing goes on without a ranking
    'policy': {'failed_updates': 1, 'prefetch': 0},
    'molecules_per_ml_task': 100_000,
    'model': {'restarts': 0, 'fit_size': 10},
}
"""The one chunk has 6.4 MB, which is twice as many in a message."""


@pytest.fixture
def service(runs):
    with GlobusService() as made:
        runs.program = tuple(made.command())
        yield made


def endpoint(service, name, workers=1):
    paths = [path for path in sys.path if path]
    return service.add(name, workers=workers, env={'OMP_NUM_THREADS': '1'}, paths=paths)


def two_sites(runs, qc, ml):
    executors = {'simulate': {'kinds': ['simulate'], 'workers': 2}, 'learn': {'kinds': ['train', 'infer']}}
    site = runs.folder / 'two.yaml'
    site.write_text(yaml.safe_dump({'name': 'two', 'engine': 'globus', 'executors': executors}))
    return ('--site', site, '--qc-endpoint', qc, '--ml-endpoint', ml, '--quiet')


def campaign(runs, points=60, **settings):
    return ackley_flags(runs.folder, points, engine='globus', **settings)


def test_an_endpoint_that_dies_and_comes_back_costs_resubmissions_and_nothing_else(runs, service):
    cpu, gpu = endpoint(service, 'cpu', workers=2), endpoint(service, 'gpu')
    driver = runs.start(*campaign(runs, 40, delay=0.02), *two_sites(runs, cpu.id, gpu.id))
    runs.wait_for_results(15)
    cpu.kill()
    cpu.start()
    runs.finish(driver)
    assert runs.assert_complete(40).simulations.failed == 0
    runs.assert_nothing_left()


@pytest.mark.parametrize(
    ('trouble', 'words'), [('unknown', [UNKNOWN]), ('offline', ['offline']), ('nobody', ['login'])]
)
def test_what_keeps_it_from_starting_is_one_sentence_and_status_2(runs, service, trouble, words):
    cpu, gpu = endpoint(service, 'cpu'), endpoint(service, 'gpu')
    if trouble == 'offline':
        gpu.kill()
    service.set_account(logged_in=trouble != 'nobody')
    said = runs(*campaign(runs), *two_sites(runs, cpu.id, UNKNOWN if trouble == 'unknown' else gpu.id), status=2)
    assert len(said.strip().splitlines()) == 1
    for word in words:
        assert word in said
    assert not runs.results()
    runs.assert_nothing_left()


def test_what_is_too_large_for_the_service_passes_beside_it_and_not_through_it(runs, service):
    cpu, gpu = endpoint(service, 'cpu'), endpoint(service, 'gpu')
    flags = (*campaign(runs, 20, **LARGE), *two_sites(runs, cpu.id, gpu.id))
    runs(*flags, '--no-proxystore', status=3)
    reason = read_summary(runs.directory).reason
    assert '10 MB' in reason or '10,000,000' in reason
    assert '--infer-ps-backend' in reason
    failed = runs.directory
    runs(*flags, '--infer-ps-backend', 'file', '--ps-file-dir', runs.folder / 'shared')
    (passed,) = [path for path in runs.directories if path != failed]
    runs.assert_complete(20, passed)
