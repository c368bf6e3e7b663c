import json
import subprocess
import sys

import psutil
import pytest

from scoutbee.traces.records import EventRecord, SimulationRecord
from scoutbee.traces.summary import SimulationCounts, Summary, write_summary
from scoutbee.traces.writer import TraceWriter

KEYS = ('a', 'b', 'c')
VALUES = dict(zip(KEYS, (1.0, 2.0, 3.0), strict=True))


@pytest.fixture
def course(tmp_path):
    """Writes down a small run, as chaos sees it; what is not as it should be is said in the call."""
    from chaos_campaigns import Place, Setup
    from chaos_run import Course, Drive

    def make(observed=KEYS, values=VALUES, status=0, resent=(), resumed=0, left=(), drives=None, **counts):
        place = Place(tmp_path, tmp_path / 'cache')
        place.temporary.mkdir(parents=True, exist_ok=True)
        run_dir = place.runs / 'ackley-local-0-0'
        run_dir.mkdir(parents=True)
        (run_dir / 'params.yaml').touch()
        with TraceWriter(run_dir) as trace:
            for number in range(resumed):
                trace.write(EventRecord(agent='thinker', event='resumed', message='', time=100.5 + number))
            for number, key in enumerate(KEYS):
                sent = {'key': key, 'row': number, 'args': [], 'choice': {}}
                trace.event('launcher', 'submitted', '', attempt=1, **sent)
                if key in resent:
                    trace.event('launcher', 'resubmitted', '', attempt=2, **sent)
            for number, key in enumerate(observed):
                trace.write(_observation(key, values.get(key, 1.0), time=101.0 + number))
        submitted = {'submitted': 3, 'succeeded': len(set(observed)), 'lost_and_resubmitted': len(resent), **counts}
        best = [{'key': key, 'value': values.get(key, 1.0), 'unit': ''} for key in dict.fromkeys(observed)]
        write_summary(
            run_dir,
            Summary(
                campaign='ackley',
                site='local',
                status='completed',
                reason='',
                seed=0,
                wall_seconds=1.0,
                simulations=SimulationCounts(**submitted),
                best=sorted(best, key=lambda one: one['value']),
                resumed=resumed,
            ),
        )
        drives = drives or [Drive(100.0, 200.0, bool(resumed), False)]
        return Course(Setup('ackley', 'local', {'search_size': 3}), place, [], drives, status, list(left))

    return make


def _observation(key, value, time):
    return SimulationRecord(
        time=time,
        task_id=f'task-{key}',
        method='simulate',
        success=True,
        timestamps={},
        spans={},
        key=key,
        args=[],
        outcome='observed',
        value=value,
        output={},
    )


def _findings(course):
    from chaos_checks import Reference, examine

    return examine(course, Reference(VALUES, rate=1.0, seconds=10.0))


def test_a_run_that_went_as_it_should_is_clean(course):
    found = _findings(course(resent=('b',), resumed=1))
    assert found.is_clean, found.faults
    assert found.sent_again == 1


def test_what_is_lost_done_twice_or_wrong_is_counted(course):
    found = _findings(course(observed=('a', 'b', 'b'), values={**VALUES, 'a': 1.0 + 1e-15}))
    assert (found.lost, found.duplicated, found.wrong) == (1, 1, 1)
    assert not found.is_clean


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        ({'status': 3}, 'exit status'),
        ({'left': ['4711 python']}, 'process left: 4711'),
        ({'lost_and_resubmitted': 5}, 'lost_and_resubmitted: expected 0, got 5'),
        ({'quarantined': 1}, 'quarantined: expected 0, got 1'),
        ({'resumed': 2}, 'resumed'),
    ],
)
def test_a_broken_promise_is_told(course, changes, fault):
    faults = _findings(course(**changes)).faults
    assert any(fault in one for one in faults), faults


def test_files_that_are_left_are_told(course, tmp_path):
    ended = course()
    for folder in (tmp_path / 'tmp', ended.run_dir / 'objects', ended.run_dir / 'engine' / 'redis'):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'left').touch()
    faults = _findings(ended).faults
    for place in ('tmp/left', 'objects/left', 'redis/left'):
        assert any(place in fault for fault in faults), faults


def test_a_driver_that_was_killed_as_it_began_need_not_have_said_that_it_went_on(course):
    from chaos_run import Drive

    drives = [Drive(50.0, 60.0, False, True), Drive(60.0, 61.0, True, True), Drive(100.0, 200.0, True, False)]
    ended = course(resumed=1, drives=drives)
    assert _findings(ended).is_clean
    ended.drives.append(Drive(200.0, 300.0, True, False))
    assert not _findings(ended).is_clean


def test_a_kill_costs_the_time_until_ten_results_less_what_they_take(course):
    from chaos_checks import costs
    from chaos_run import Kill

    results = [float(second) for second in (*range(11), *range(15, 30))]
    kills = [Kill('redis', 10.5), Kill('driver', 26.5)]
    assert costs(kills, results, rate=1.0) == [('redis', pytest.approx(3.5)), ('driver', pytest.approx(-0.5))]
    before, after = Kill('worker', -1.0), Kill('worker', 31.0)
    assert costs([before, after], results, rate=1.0) == [], 'neither hit a run whose results flowed'


def test_kinds_have_their_turns_and_the_same_seed_draws_the_same():
    from chaos_run import Draw

    me = psutil.Process()
    present = {'worker': [me], 'redis': [me], 'driver': [me]}
    first, second = Draw(3), Draw(3)
    drawn = [first.victim(present)[0] for _ in range(30)]
    assert [second.victim(present)[0] for _ in range(30)] == drawn
    assert {kind: drawn.count(kind) for kind in present} == dict.fromkeys(present, 10)
    early = {'driver': [me]}
    assert [first.victim(early)[0] for _ in range(2)] == ['driver', 'driver']
    assert [first.victim(present)[0] for _ in range(4)].count('driver') == 0, 'the others make up for it'
    assert first.victim({}) is None
    assert Draw(0, ['manager']).victim(present) is None


def test_processes_are_those_of_the_run_and_no_others():
    from chaos_processes import RunProcesses, is_alive, kill

    sleeper = 'import time; time.sleep(60)'
    nest = f'import subprocess, sys; subprocess.Popen([sys.executable, "-c", {sleeper!r}], start_new_session=True)'
    mine, other = RunProcesses(), RunProcesses()

    def start(processes, code):
        command = [sys.executable, '-c', f'{code}; input()']
        started = subprocess.Popen(
            command, env=processes.environment({}), stdin=subprocess.PIPE, start_new_session=True
        )
        processes.adopt(started.pid)
        return started

    with start(mine, nest) as first, start(other, 'pass') as second:
        while len(mine.members()) < 2:
            assert first.poll() is None
        assert mine.by_kind() == {'driver': [psutil.Process(first.pid)]}
        assert kill(psutil.Process(first.pid))
        (orphan,) = mine.members()
        assert [process.pid for process in other.members()] == [second.pid]
        assert kill(orphan)
        assert not kill(orphan)
        assert not is_alive(orphan)
        assert mine.members() == []
        second.communicate(b'\n')


def test_what_cannot_be_chosen_is_refused(capsys):
    from chaos import main

    with pytest.raises(SystemExit):
        main(['--kinds', 'worker,king'])
    assert "'king'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(('engine', 'kinds'), [('parsl', 7), ('local', 4)])
def test_as_many_kills_as_there_are_kinds_lose_nothing_and_do_nothing_twice(engine, kinds, tmp_path, capfd):
    from chaos import main

    figures = tmp_path / 'figures.json'
    flags = ['--campaigns', 'ackley', '--engines', engine, '--kills', str(kinds), '--size', '120', '--seed', '1']
    status = main([*flags, '--json', str(figures)])
    told = capfd.readouterr()
    outcomes = json.loads(figures.read_text())['outcomes']
    assert status == 0, told.out + told.err
    assert sum(len(outcome['kills']) for outcome in outcomes) == kinds
    for outcome in outcomes:
        found = outcome['findings']
        assert (found['lost'], found['duplicated'], found['wrong'], found['faults']) == (0, 0, 0, [])
