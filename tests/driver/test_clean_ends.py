"""However a campaign is told to end, it ends in order and leaves nothing behind but its files."""

import signal

import pytest
from campaign_runs import ackley_flags

from scoutbee.traces.summary import read_summary

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ('number', 'engine'), [(signal.SIGINT, 'local'), (signal.SIGHUP, 'local'), (signal.SIGTERM, 'parsl')]
)
def test_told_once_it_keeps_what_finishes_and_can_be_resumed(runs, number, engine):
    driver = runs.start(*ackley_flags(runs.folder, 80, delay=0.02, engine=engine))
    runs.wait_for_results(5)
    driver.send_signal(number)
    out = runs.finish(driver, 130)
    runs.assert_nothing_left()
    before = read_summary(runs.directory)
    assert before.status == 'interrupted'
    assert 'interrupted after' in out
    # Nothing was cut off: what was in flight had the time to finish.
    assert 5 <= before.simulations.succeeded == before.simulations.submitted < 80
    runs('--resume', runs.directory, '--quiet')
    after = runs.assert_complete(80)
    assert (after.resumed, after.simulations.submitted) == (1, 80)
    runs.assert_nothing_left()


@pytest.mark.parametrize('engine', ['local', 'parsl'])
def test_told_twice_it_waits_for_nothing(runs, engine):
    # A simulation takes minutes, and would be given an hour.
    flags = ackley_flags(runs.folder, 40, delay=30, engine=engine, policy={'grace': 3600})
    driver = runs.start(*flags)
    runs.wait(lambda: runs.directories and runs.events('submitted'))
    driver.send_signal(signal.SIGINT)
    runs.wait(lambda: runs.events('interrupted'))
    driver.send_signal(signal.SIGINT)
    runs.finish(driver, 130, timeout=60)
    runs.assert_nothing_left()
    assert read_summary(runs.directory).status == 'interrupted'
    assert read_summary(runs.directory).proxies.leaked == 0


@pytest.mark.parametrize(
    ('number', 'moment'),
    [
        (signal.SIGINT, 'params.yaml'),
        (signal.SIGTERM, 'engine/redis'),
        (signal.SIGHUP, 'engine/names.json'),
        (signal.SIGINT, 'events.jsonl'),
    ],
)
def test_told_while_it_starts_it_takes_down_what_it_began(runs, number, moment):
    driver = runs.start(*ackley_flags(runs.folder, 40, delay=0.02))
    runs.wait(lambda: any((run / moment).exists() for run in runs.directories))
    driver.send_signal(number)
    driver.send_signal(number)
    runs.finish(driver, 130, timeout=60)
    runs.assert_nothing_left()
    runs('--resume', runs.directory, '--quiet')
    runs.assert_complete(40)


def test_told_while_it_concludes_it_still_tells_how_the_campaign_ended(runs):
    driver = runs.start(*ackley_flags(runs.folder, 20))
    runs.wait(lambda: any((run / 'summary.json').exists() for run in runs.directories))
    driver.send_signal(signal.SIGINT)
    out = runs.finish(driver, 0)
    assert 'completed after' in out
    assert read_summary(runs.directory).status == 'completed'
    # The report may be what was interrupted; then it is said how to write it.
    assert (runs.directory / 'report.html').exists() or 'python -m scoutbee.analysis' in out
    runs.assert_nothing_left()
