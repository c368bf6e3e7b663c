"""What holds for every test."""

import os
import signal
from itertools import groupby, islice

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, not whether the program is right.
settings.register_profile('scoutbee', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('scoutbee')

# A shell ignores Ctrl-C on behalf of what it starts in the background, `nohup` a hang-up, and children inherit that.
# The programs that tests start must be told of either all the same.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.hookimpl(trylast=True)  # when it is known which tests are chosen
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each process of xdist as many slow tests, to begin with, so that the end of a run is easily shared.

    ``--dist worksteal`` cuts the list into as many even parts as there are processes, and those that are done take
    from the ends of other parts.
    """
    processes = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1'))
    if processes == 1:
        return
    slow = [list(tests) for _, tests in groupby(filter(_is_slow, items), key=_unit)]
    quick = iter([item for item in items if not _is_slow(item)])
    dealt: list[pytest.Item] = []
    for process in range(processes):
        hand = [item for unit in slow[process::processes] for item in unit]
        part = (len(items) - len(dealt)) // (processes - process)
        dealt += [*hand, *islice(quick, max(0, part - len(hand)))]
    items[:] = [*dealt, *quick]


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker('slow') is not None


def _unit(item: pytest.Item) -> str:
    """What tests share that are likely to share what it takes long to set up: their class, or their function."""
    assert item.parent is not None
    return item.parent.nodeid if isinstance(item.parent, pytest.Class) else item.nodeid.partition('[')[0]
