"""The scale benchmark: a small simulated cluster, and the books it keeps."""

import math
import re
import threading

import numpy as np
import pytest


@pytest.mark.slow
def test_a_small_cluster_is_measured_in_every_way(capsys, tmp_path):
    from scale import main

    arguments = ['--workers', '4', '--spaces', '300', '--candidates', '5000', '--seconds', '0.05', '--steady', '1']
    out = tmp_path / 'figures.json'
    assert main([*arguments, '--repeats', '1', '--decisions', '100', '--json', str(out)]) == 0
    printed = capsys.readouterr().out
    for title in ('Most decisions a second', 'Simulations of 0.05 s', 'What a decision costs'):
        assert title in printed
    assert len(re.findall(r'\| 4 +\|', printed)) == 2
    assert out.exists()


class Task:
    """What the cluster's workers are given, and give back."""

    def __init__(self):
        self.timestamp = type('', (), {'compute_started': 0.0})()
        self.time = type('', (), {'running': 0.0})()


def test_the_books_say_how_long_the_workers_were_busy(tmp_path):
    from scale_cluster import LEDGER, Cluster, VirtualWorkers, read_books

    assert read_books(tmp_path).started == 0
    workers = VirtualWorkers(Cluster(3, 1e-3, 0.3), lambda task: task, tmp_path / LEDGER)
    futures = [workers.submit(Task()) for _ in range(30)]
    spans = [future.result(60).time.running for future in futures]
    books = read_books(tmp_path)
    assert (books.started, books.finished) == (30, 30)
    assert books.busy_seconds(12345.0) == pytest.approx(sum(spans), abs=1e-6)
    assert books.late >= 0


def test_what_waits_for_a_worker_can_be_called_back(tmp_path):
    from scale_cluster import LEDGER, Cluster, VirtualWorkers, read_books

    workers = VirtualWorkers(Cluster(1, 0.01, 0.0), lambda task: task, tmp_path / LEDGER)
    gate = threading.Event()
    first = workers.submit(Task())
    first.add_done_callback(lambda done: gate.set())
    waiting = [workers.submit(Task()) for _ in range(3)]
    cancelled = [future for future in waiting if future.cancel()]
    assert gate.wait(60)
    for future in waiting:
        if future not in cancelled:
            future.result(60)
    assert read_books(tmp_path).started == 4 - len(cancelled)


def test_times_are_as_long_on_average_as_was_asked_for(tmp_path):
    from scale_cluster import LEDGER, Cluster, VirtualWorkers

    workers = VirtualWorkers(Cluster(20_000, 86.0, 0.3), lambda task: task, tmp_path / LEDGER)
    begun = [workers._seconds() for _ in range(20_000)]
    whole = [workers._seconds() for _ in range(20_000)]
    assert np.mean(whole) == pytest.approx(86.0, rel=0.02)
    # What is left of a renewal met at random is, on average, half its mean square over its mean.
    assert np.mean(begun) == pytest.approx(86.0 * math.exp(0.3**2) / 2, rel=0.03)
