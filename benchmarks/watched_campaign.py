"""Whether pages that follow a campaign slow it down: tasks a second with none and with several, turn about.

Each campaign is ``run.py`` on ackley points that take no time, so that the agents, the queues and the ledger are all
there is to slow down. Its pace is that of the ledger, from the first result to the last. The pages are connections that
take every update, as a browser does before it draws anything.

    python benchmarks/watched_campaign.py --pairs 3 --tasks 600
"""

from __future__ import annotations

import argparse
import http.client
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from common import median_interval, print_table

from scoutbee.testing.served_page import ServedPage
from scoutbee.traces.reader import read
from scoutbee.traces.records import SimulationRecord

ROOT = Path(__file__).resolve().parents[1]
CAMPAIGN = 'ackley: {points: %d, delay_scale: 0}\n'


class Page:
    """A connection that takes every update, on a thread of its own."""

    def __init__(self, served: ServedPage) -> None:
        """Args: served: Whom to ask."""
        self.received = 0
        self._connection = http.client.HTTPConnection('127.0.0.1', served.port)
        self._connection.request('GET', f'/updates?token={served.token}')
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._connection.getresponse():
            self.received += line.startswith(b'data: ')

    def join(self) -> None:
        """Wait until the server has ended."""
        self._thread.join()


def run_once(tasks: int, pages: int, folder: Path) -> tuple[float, int]:
    """One campaign; returns its tasks a second, and the updates that its pages took."""
    settings = folder / 'campaign.yaml'
    settings.write_text(CAMPAIGN % (2 * tasks))
    command = [
        sys.executable, str(ROOT / 'run.py'), '--campaign', 'ackley', '--config', str(settings), '--engine', 'local',
        '--search-size', str(tasks), '--retrain-frequency', str(tasks), '--runs-dir', str(folder / 'runs'), '--quiet',
    ]  # fmt: skip
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watched: list[Page] = []
    with ExitStack() as stack:
        if pages:
            served = stack.enter_context(ServedPage(_run_dir(folder, driver)))
            watched = [Page(served) for _ in range(pages)]
        if driver.wait() != 0:
            raise RuntimeError(f'The campaign ended with exit status {driver.returncode}.')
    for page in watched:
        page.join()
    times = [record.time for record in read(_run_dir(folder, driver), SimulationRecord)]
    return (len(times) - 1) / (times[-1] - times[0]), sum(page.received for page in watched)


def _run_dir(folder: Path, driver: subprocess.Popen[bytes]) -> Path:
    while not (found := list(folder.glob('runs/*/params.yaml'))):
        if driver.poll() not in (None, 0):
            raise RuntimeError(f'The campaign ended with exit status {driver.returncode}.')
    return found[0].parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the pairs and print what came of them."""
    parser = argparse.ArgumentParser(description='Tasks a second of a campaign without and with pages that follow it.')
    parser.add_argument('--pairs', type=int, default=3, help='campaigns of each sort')
    parser.add_argument('--tasks', type=int, default=600, help='tasks of each campaign')
    parser.add_argument('--pages', type=int, default=5, help='pages that follow every other campaign')
    options = parser.parse_args(arguments)
    paces: dict[int, list[float]] = {0: [], options.pages: []}
    taken = 0
    for _ in range(options.pairs):
        for pages, measured in paces.items():
            with tempfile.TemporaryDirectory() as folder:
                pace, received = run_once(options.tasks, pages, Path(folder))
            taken += received
            measured.append(pace)
            print(f'{pages} pages: {pace:.1f} tasks/s', file=sys.stderr, flush=True)
    rows = [(pages, f'{median_interval(measured):.1f}', len(measured)) for pages, measured in paces.items()]
    print_table(f'ackley, {options.tasks} tasks of no length, engine local', ['pages', 'tasks/s', 'campaigns'], rows)
    ratios = [watched / alone for alone, watched in zip(*paces.values(), strict=True)]
    print(f'\nWatched over unwatched, pair by pair: {median_interval(ratios):.2f}; the pages took {taken} updates.')


if __name__ == '__main__':
    main()
