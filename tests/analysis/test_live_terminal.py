"""The live view: what it says, and that no terminal can hold a campaign up."""

from __future__ import annotations

import io
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoutbee.analysis.live.terminal import TerminalView
from scoutbee.analysis.live.terminal_outcome import Outcome, print_outcome
from scoutbee.analysis.live.terminal_text import TimeLeft, clock
from scoutbee.contracts.candidates import Candidate, Objective, Observation
from scoutbee.contracts.progress import Progress

OBJECTIVE = Objective('ionization potential', 'eV', threshold=14.0)
PROGRESS = Progress(
    search_size=120,
    submitted=44,
    in_flight=2,
    succeeded=40,
    failed=1,
    resubmitted=3,
    found=7,
    best=Observation(Candidate('C[nH]c1[bold]', ()), 15.31, {}),
    buffered=60,
    generation=2,
    rankings=5,
    updating=True,
    trained=(3, 4),
    inferred=(5, 8),
    busy={'simulate': (2, 2), 'train': (1, 1)},
    elapsed=83.0,
)
SAID = (
    '40', '120', '2 in flight', '15.31 eV', 'C[nH]c1[bold]', '7 at or above 14.00 eV', '1 failed', '3 lost', '60',
    'generation 2', '5 rankings', '3/4', '5/8', 'simulate 2/2', 'train 1/1', '1:23',
)  # fmt: skip


class Terminal(io.StringIO):
    """A terminal that keeps what it was sent."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '120')
    monkeypatch.setenv('TERM', 'xterm')


@pytest.mark.parametrize('stream', [io.StringIO, Terminal])
def test_all_that_can_be_seen_is_said(stream):
    out = stream()
    with TerminalView(lambda: PROGRESS, OBJECTIVE, 'molecules', out) as view:
        view.event('models are trained on [40] molecules')
        view.event('predictions are constant', 'warning')
    for word in SAID:
        assert word in out.getvalue(), word
    assert 'models are trained on [40] molecules' in out.getvalue()
    assert 'warning: predictions are constant' in out.getvalue()


def test_output_that_is_no_terminal_gets_plain_lines():
    out = io.StringIO()
    with TerminalView(lambda: PROGRESS, OBJECTIVE, 'molecules', out):
        pass
    assert '\x1b' not in out.getvalue()
    assert '\r' not in out.getvalue()


@pytest.mark.parametrize('stream', [io.StringIO, Terminal])
def test_quiet_says_errors_only(stream):
    out = stream()
    with TerminalView(lambda: PROGRESS, OBJECTIVE, 'molecules', out, quiet=True) as view:
        view.event('all is well')
        view.event('not so well', 'warning')
        view.event('the task server died', 'error')
    assert out.getvalue() == 'error: the task server died\n'


def test_a_campaign_that_has_only_begun_can_be_shown():
    out = io.StringIO()
    with TerminalView(lambda: Progress(search_size=5), Objective('f', ''), 'ackley', out):
        pass
    assert '0/5 simulations' in out.getvalue()


def test_a_terminal_that_is_gone_is_no_error():
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError('no one reads this')

    with TerminalView(lambda: PROGRESS, OBJECTIVE, 'molecules', Gone()) as view:
        view.event('is anyone there?', 'warning')
    print_outcome(_outcome(), Gone())


def test_a_stream_that_was_closed_is_no_error():
    closed = io.StringIO()
    closed.close()
    with TerminalView(lambda: PROGRESS, OBJECTIVE, 'molecules', closed):
        pass
    print_outcome(_outcome(), closed)


def test_a_terminal_that_takes_nothing_holds_no_one_up():
    released, entered = threading.Event(), threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            entered.set()
            released.wait(60)
            return len(text)

    view = TerminalView(lambda: PROGRESS, OBJECTIVE, 'molecules', Stuck())
    with view:
        assert entered.wait(60)
        for number in range(100_000):
            view.event(f'event {number}')
    # Here, although nothing was taken.
    released.set()


def _outcome(**changes):
    values = {
        'campaign': 'molecules',
        'objective': OBJECTIVE,
        'status': 'completed',
        'reason': '120 simulations succeeded.',
        'simulations': 120,
        'best': [(f'C[nH]{"C" * rank}', 15.9 - rank / 10, 'eV') for rank in range(12)],
        'run_directory': '/runs/one',
        'wall_seconds': 301.0,
        'verdict': '37 of 120 reach 14 eV; random picks: 1.2.',
    }
    return Outcome(**{**values, **changes})


def test_the_end_shows_the_ten_best_and_how_chance_would_have_done():
    out = io.StringIO()
    print_outcome(_outcome(), out)
    text = out.getvalue()
    assert text.count('C[nH]') == 10
    for words in ('15.90 eV', 'completed after 5:01', '37 of 120 reach 14 eV', 'random picks: 1.2', '/runs/one'):
        assert words in text, words


def test_the_end_of_a_campaign_without_results_says_so():
    out = io.StringIO()
    print_outcome(
        _outcome(status='failed', reason='Every simulation failed.', best=[], simulations=0, verdict=None), out
    )
    assert 'failed' in out.getvalue()
    assert 'Every simulation failed.' in out.getvalue()


def test_time_left_follows_the_pace_of_this_process():
    time_left = TimeLeft()
    # A resumed campaign: what was done before says nothing about the pace now.
    assert time_left.estimate(Progress(search_size=100, succeeded=50, elapsed=0)) is None
    assert time_left.estimate(Progress(search_size=100, succeeded=60, elapsed=20)) == 80
    assert time_left.estimate(Progress(search_size=100, succeeded=100, elapsed=90)) == 0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 50)), max_size=30))
def test_time_left_is_never_negative(looks):
    time_left = TimeLeft()
    for elapsed, succeeded in looks:
        left = time_left.estimate(Progress(search_size=40, succeeded=succeeded, elapsed=elapsed))
        assert left is None or left >= 0


@pytest.mark.parametrize(('seconds', 'text'), [(None, '-'), (7, '0:07'), (750, '12:30'), (11_100, '3:05:00')])
def test_durations_are_written_as_people_read_them(seconds, text):
    assert clock(seconds) == text
