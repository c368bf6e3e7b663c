"""What went wrong."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from scoutbee.contracts.campaign import SIMULATE

from ..fates import Counts
from ..run import Run
from ..trouble import FailureGroup, attempts, given_up, group_failures, slowest
from .elements import Column, Section, Table
from .formats import listed, percent, plural

_WORDS = {
    'submitted': 'first attempts sent', 'repeated': 'sent again after a failure',
    'resubmitted': 'sent again after a loss', 'copied': 'copies of slow ones sent',
    'observed': 'came back with a value', 'retried': 'failed, to be tried again', 'failed': 'failed, and given up',
    'quarantined': 'given up because they took workers down', 'duplicate': 'came back a second time',
    'withdrawn': 'called back',
}  # fmt: skip


def trouble(run: Run, counts: Counts) -> Section:
    """The section; ``counts`` are of what became of the candidates."""
    groups = group_failures(run.tasks)
    tables = [
        _failures_table(groups), _attempts_table(run), _given_up_table(run), _slowest_table(run),
        _sessions_table(run), _events_table(run), _skipped_table(run.skipped),
    ]  # fmt: skip
    return Section(
        'trouble', 'Trouble', _sentence(counts, groups, len(run.tasks)),
        tables=[table for table in tables if len(table.frame)],
        numbers={'counts': asdict(counts), 'skipped_lines': len(run.skipped)},
    )  # fmt: skip


def _sentence(counts: Counts, groups: list[FailureGroup], tasks: int) -> str:
    failed = sum(group.count for group in groups)
    if not failed:
        text = f'None of the {tasks:,} tasks failed.' if tasks else 'No task has come back.'
    else:
        first = groups[0]
        cause = f'{first.error} in {first.task} tasks'
        which = f'all with {cause}' if len(groups) == 1 else f'{first.count:,} of them with {cause}'
        text = f'{failed:,} of {plural(tasks, "task")} failed ({percent(failed / tasks)}), {which}.'
    more = []
    if counts.failed + counts.quarantined:
        in_quarantine = f' ({counts.quarantined:,} quarantined)' if counts.quarantined else ''
        more.append(f'{plural(counts.failed + counts.quarantined, "candidate")} given up{in_quarantine}')
    if counts.lost_and_resubmitted:
        more.append(f'{plural(counts.lost_and_resubmitted, "lost attempt")} sent again')
    if counts.resumed:
        more.append(f'the campaign resumed {plural(counts.resumed, "time")}')
    told = listed(more)
    return f'{text} {told[0].upper()}{told[1:]}.' if told else text


def _failures_table(groups: list[FailureGroup]) -> Table:
    frame = pd.DataFrame([
        {**asdict(group), 'outcomes': ', '.join(f'{name} {number}' for name, number in group.outcomes.items())}
        for group in groups
    ])  # fmt: skip
    columns = [
        Column('count', 'times', 'count', 'Attempts that failed with the same exception and message, numbers aside.'),
        Column('task', 'task'),
        Column('error', 'exception'),
        Column('kind', 'class', meaning='What helps: input never, random and resource a retry, convergence other '
               'settings; a lost task is sent again.'),
        Column('example', 'example', meaning='The message of the first.'),
        Column('subject', 'of', 'key'),
        Column('outcomes', 'what became of the candidates'),
        Column('traceback', 'traceback', 'code'),
    ]  # fmt: skip
    return Table('failures', 'Failures by cause.', columns, frame)


def _attempts_table(run: Run) -> Table:
    made = attempts(run.tasks, run.submissions)
    frame = made.assign(what=[_WORDS.get(str(what), str(what)) for what in made['what']])
    columns = [Column('what', f'{SIMULATE} attempts'), Column('count', 'times', 'count')]
    return Table('attempts', 'Attempts at simulations: sent, and how they ended.', columns, frame, folded=True)


def _given_up_table(run: Run) -> Table:
    columns = [
        Column('key', 'candidate', 'key'),
        Column('outcome', 'outcome'),
        Column('attempt', 'attempts', 'count'),
        Column('failure_kind', 'class'),
        Column('failure_error', 'exception'),
        Column('failure_message', 'evidence: the last message'),
    ]
    frame = given_up(run.tasks)
    quarantined = int((frame['outcome'] == 'quarantined').sum())
    caption = f'{plural(len(frame), "candidate")} given up, {quarantined} of them quarantined.'
    return Table('given_up', caption, columns, frame, folded=not quarantined)


def _slowest_table(run: Run) -> Table:
    columns = [
        Column('kind', 'kind'),
        Column('key', 'candidate', 'key'),
        Column('task_id', 'task', 'key'),
        Column('host', 'on'),
        Column('run', 'ran', 'seconds'),
        Column('times_median', 'times the median', 'number', 'Its run over the median run of its kind.'),
    ]
    return Table('slowest', 'The slowest 1% of each kind of task.', columns, slowest(run.tasks), folded=True)


def _sessions_table(run: Run) -> Table:
    """Resumptions; none where the campaign was never interrupted."""
    sessions = run.sessions.copy()
    start = float(sessions['start'].iloc[0]) if len(sessions) else 0.0
    sessions['after'] = sessions['start'] - start
    sessions['lasted'] = sessions['end'] - sessions['start']
    sessions['gap'] = sessions['start'] - sessions['end'].shift()
    columns = [
        Column('session', 'session', 'count'),
        Column('after', 'began after', 'seconds'),
        Column('lasted', 'lasted', 'seconds'),
        Column('gap', 'nobody drove it before', 'seconds', 'From the last record of the session before to its first.'),
    ]
    frame = sessions if len(sessions) > 1 else sessions.head(0)
    return Table('sessions', 'Times that a driver worked on the campaign.', columns, frame)


def _events_table(run: Run) -> Table:
    start = float(run.sessions['start'].iloc[0]) if len(run.sessions) else 0.0
    notable = run.events[run.events['level'] != 'info'].sort_values('seq', ascending=False)
    frame = notable.assign(after=notable['time'] - start)[['after', 'level', 'agent', 'event', 'message', 'seq']]
    columns = [
        Column('after', 'after', 'seconds'),
        Column('level', 'level'),
        Column('agent', 'agent'),
        Column('message', 'what'),
    ]
    caption = f'{plural(len(frame), "warning or error", "warnings and errors")} of the agents, newest first.'
    return Table('events', caption, columns, frame, folded=True)


def _skipped_table(skipped: list[str]) -> Table:
    caption = f'{plural(len(skipped), "line")} of the trace could not be read.'
    return Table('skipped', caption, [Column('line', 'line', 'key')], pd.DataFrame({'line': skipped}))
