"""A run is followed by its files: what is seen depends on what was written, not on when anyone looked."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoutbee.analysis.inputs import ReportInputs, write_inputs
from scoutbee.analysis.live import tail
from scoutbee.analysis.live.driver_sign import SILENCE_SECONDS, DriverSign
from scoutbee.analysis.live.follower import Follower
from scoutbee.analysis.live.glimpses import GLIMPSES
from scoutbee.analysis.live.pacing import Pacer
from scoutbee.analysis.live.sections import Sections
from scoutbee.contracts.candidates import Objective
from scoutbee.testing.small_ledger import (
    START,
    campaign,
    ended,
    event,
    lines,
    simulated,
    started,
    submitted,
    write,
)
from scoutbee.traces.encoding import encode
from scoutbee.traces.writer import TraceWriter

LATER = START + 1000


def follow(run_dir, **options):
    follower = Follower(run_dir, wall=lambda: LATER, **options)
    return catch_up(follower)


def catch_up(follower):
    follower.poll()
    while follower.is_behind:
        follower.poll()
    follower.poll()  # where numbers are left out, a second look says that nothing more comes
    return follower


def shown(follower):
    return Sections(follower).make()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_how_the_bytes_arrive_changes_nothing(monkeypatch, data):
    records = [*campaign(), *([ended(11.0)] if data.draw(st.booleans()) else [])]
    gaps = data.draw(st.sets(st.integers(0, len(records) - 1), max_size=3))
    monkeypatch.setattr(tail, 'BLOCK', data.draw(st.sampled_from([64, 500, 1 << 20])))
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / 'run'
        run_dir.mkdir()
        follower = Follower(run_dir, wall=lambda: LATER)
        for name, line in lines(records, gaps):
            cut = data.draw(st.integers(0, len(line)))
            for piece in (line[:cut], line[cut:]):
                with (run_dir / name).open('ab') as file:
                    file.write(piece)
                if data.draw(st.booleans()):
                    follower.poll()
        assert shown(catch_up(follower)) == shown(follow(run_dir))


def test_what_is_shown_is_what_happened(tmp_path):
    follower = follow(write(tmp_path / 'run', campaign()))
    progress = follower.state.progress(START + 12)
    assert (progress.submitted, progress.succeeded, progress.failed, progress.in_flight) == (6, 4, 1, 1)
    assert (progress.resubmitted, progress.search_size) == (1, 10)
    assert progress.best is not None
    assert (progress.best.candidate.key, progress.best.value) == ('d', 4.0)
    assert (progress.generation, progress.rankings, progress.updating) == (1, 1, False)
    assert progress.busy['simulate'] == (1, 2)
    assert progress.buffered == 7  # the ranking kept 8, of which f was taken
    assert progress.elapsed == 12
    assert [entry.key for entry in follower.state.discoveries.top(3)] == ['d', 'b', 'e']
    told = [line.text for line in follower.state.story.lines if line.level == 'warning']
    assert told == ['c failed (ConvergenceError: It did not converge). It is given up.', 'It is lost.']


def test_an_update_is_shown_while_it_goes(tmp_path):
    records = campaign()
    run_dir = write(tmp_path / 'run', records[:13])
    progress = follow(run_dir).state.progress(START + 7)
    assert progress.updating
    assert (progress.trained, progress.inferred) == ((1, 2), (2, 4))
    assert progress.busy['train'] == (1, 1)


def test_a_run_is_judged_by_what_it_looks_for(tmp_path):
    run_dir = write(tmp_path / 'run', campaign())
    objective = Objective('energy', 'eV', maximize=False, threshold=2.0)
    write_inputs(run_dir, ReportInputs.of(objective, [1.0, 2.0, 3.0]))
    follower = follow(run_dir)
    assert follower.state.tally.best.value == 1.0
    assert follower.state.tally.found == 2
    assert shown(follower)['chance']['known'] == 3


def test_what_it_looks_for_may_be_told_late(tmp_path):
    run_dir = write(tmp_path / 'run', campaign())
    follower = follow(run_dir)
    assert follower.state.tally.best.value == 4.0
    write_inputs(run_dir, ReportInputs.of(Objective('energy', 'eV', maximize=False), []))
    assert catch_up(follower).state.tally.best.value == 1.0
    assert follower.state.tally.succeeded == 4


def test_a_line_is_waited_for_until_it_is_whole(tmp_path):
    run_dir = write(tmp_path / 'run', campaign()[:3])
    whole = encode(simulated(2.0, 'a', 1.0).model_copy(update={'seq': 4}))
    path = run_dir / 'simulation-results.jsonl'
    path.write_bytes(whole[:40])
    follower = follow(run_dir)
    assert follower.state.tally.succeeded == 0
    assert not follower.state.story.lines[1:]
    path.write_bytes(whole)
    assert catch_up(follower).state.tally.succeeded == 1


def test_a_resumed_run_goes_on_where_a_crash_left_half_a_line(tmp_path):
    run_dir = write(tmp_path / 'run', campaign()[:5])
    with (run_dir / 'events.jsonl').open('ab') as file:
        file.write(b'{"schema_version":1,"seq":6,"time":17000')
    follower = follow(run_dir)
    assert follower.phase() == 'stopped'
    with TraceWriter(run_dir) as writer:  # takes the half line away
        for record in (event(500.0, 'resumed'), started(501.0), submitted(501.1, 'b', 2, 'resubmitted')):
            writer.write(record)
        writer.write(simulated(503.0, 'b', 7.0, attempt=2))
    state = catch_up(follower).state
    assert (state.tally.succeeded, state.tally.resubmitted, state.tally.in_flight) == (2, 1, 0)
    assert [round(session.at, 3) for session in state.clock.sessions] == [0.0, 2.1]
    assert state.clock.now == pytest.approx(2.1 + 3.0)  # no one's time is not counted
    assert not [line for line in state.story.lines if line.level != 'info']


def test_a_line_that_cannot_be_read_is_told_and_left_out(tmp_path):
    run_dir = write(tmp_path / 'run', campaign()[:4])
    with (run_dir / 'simulation-results.jsonl').open('ab') as file:
        file.write(b'what is this\n' + encode(simulated(5.0, 'b', 2.0).model_copy(update={'seq': 9})))
    follower = follow(run_dir)
    assert follower.state.tally.succeeded == 2
    assert (
        'line 2: expected a SimulationRecord'
        in follower.state.story.lines[-1].text + follower.state.story.lines[-2].text
    )


def test_odd_facts_end_no_watch(tmp_path):
    records = [
        started(0.0),
        event(1.0, 'training_started', members='all', generation='first'),
        simulated(2.0, 'a', 1.0),
    ]
    follower = follow(write(tmp_path / 'run', records))
    assert follower.state.tally.succeeded == 1
    assert any('holds what was not expected' in line.text for line in follower.state.story.lines)


def test_a_run_of_another_scoutbee_is_not_guessed_at(tmp_path):
    run_dir = write(tmp_path / 'run', campaign()[:3])
    line = (run_dir / 'events.jsonl').read_bytes().splitlines()[0]
    (run_dir / 'events.jsonl').write_bytes(line.replace(b'"schema_version":2', b'"schema_version":9') + b'\n')
    follower = follow(run_dir)
    assert follower.phase() == 'unreadable'
    assert 'schema version 9' in follower.trouble
    assert shown(follower)['now']['reason'] == follower.trouble


def test_a_run_may_come_go_and_come_again(tmp_path):
    run_dir = tmp_path / 'run'
    follower = follow(run_dir)
    assert follower.phase() == 'awaited'
    write(run_dir, campaign())
    assert catch_up(follower).state.tally.succeeded == 4
    shutil.rmtree(run_dir)
    assert catch_up(follower).phase() == 'gone'
    assert follower.state.tally.succeeded == 4  # what was known is still shown
    write(run_dir, campaign()[:4])
    life = follower.life
    assert catch_up(follower).state.tally.succeeded == 1
    assert follower.life > life


def test_how_a_run_stands(tmp_path):
    run_dir = tmp_path / 'run'
    run_dir.mkdir()
    now = [START + 5.0]
    follower = Follower(run_dir, wall=lambda: now[0])
    (run_dir / '.lock').write_text('process 1 on here, since then')
    follower.poll()
    write(run_dir, campaign()[:4])
    assert catch_up(follower).phase() == 'running'  # heard of just now
    (run_dir / '.lock').write_text('')
    now[0] = LATER
    assert catch_up(follower).phase() == 'stopped'
    write(run_dir, [ended(20.0, 'interrupted', 'Interrupted from outside.')])
    assert catch_up(follower).phase() == 'ended'
    assert follower.state.ending.status == 'interrupted'


def test_a_driver_that_shows_no_sign_is_gone(tmp_path):
    steady = [0.0]
    lock = tmp_path / '.lock'
    sign = DriverSign(tmp_path, wall=lambda: lock.stat().st_mtime + 5, steady=lambda: steady[0])
    assert not sign.is_there()
    lock.write_text('process 1 on elsewhere')
    assert sign.is_there()
    steady[0] = SILENCE_SECONDS
    assert not sign.is_there()
    lock.touch()  # whatever its clock says, it was seen to happen
    lock.write_text('process 1 on elsewhere, again')
    assert sign.is_there()
    lock.write_text('')
    assert not sign.is_there()


def test_a_run_can_be_played_faster_than_it_went(tmp_path):
    run_dir = write(tmp_path / 'run', [*campaign(), event(900.0, 'resumed'), started(901.0), ended(902.0)])
    steady = [0.0]
    follower = Follower(run_dir, wall=lambda: LATER, pacer=Pacer(2.0, steady=lambda: steady[0]))
    seen = []
    for moment in (0.0, 1.2, 5.1, 5.5, 7.0):
        steady[0] = moment
        follower.poll()
        follower.poll()
        seen.append((follower.state.tally.succeeded, follower.phase()))
    assert seen == [(0, 'running'), (1, 'running'), (4, 'running'), (4, 'running'), (4, 'ended')]


def test_a_glimpse_is_part_of_its_record():
    for glimpse in GLIMPSES:
        assert set(glimpse.model_fields) <= set(glimpse.record.model_fields)
