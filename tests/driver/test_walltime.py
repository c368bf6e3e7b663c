"""When a run must have ended: what is allowed, and what a batch system says."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from scoutbee.driver.walltime import JobEnd, TimeLimit, job_end

NOW = 1_800_000_000.0


def answers(**known):
    """Stands in for the commands of a scheduler."""
    return lambda command: known.get(command[0])


@pytest.mark.parametrize(
    ('environ', 'printed', 'left'),
    [
        ({'SLURM_JOB_ID': '1', 'SLURM_JOB_END_TIME': str(int(NOW + 600))}, {}, 600),
        ({'SLURM_JOB_ID': '1'}, {'squeue': '1-02:03:04\n'}, 93_784),
        ({'SLURM_JOB_ID': '1'}, {'squeue': '5:07\n'}, 307),
        ({'COBALT_JOBID': '1', 'COBALT_ENDTIME': str(NOW + 60)}, {}, 60),
    ],
)
def test_schedulers_that_tell_the_end(environ, printed, left):
    end = job_end(environ, answers(**printed), NOW)
    assert end is not None
    assert end.at == NOW + left


@pytest.mark.parametrize(
    'given',
    [{'PBS_WALLTIME': '360000'}, {'printed': '    Resource_List.ncpus = 4\n    Resource_List.walltime = 100:00:00'}],
)
def test_pbs_tells_the_length_and_the_first_process_of_the_job_the_start(given, monkeypatch):
    ask = answers(qstat=given.pop('printed', None))
    end = job_end({'PBS_JOBID': '7.server', **given}, ask, time.time())
    assert end is not None
    # This process was not started by that job, so the job begins here and now.
    assert end.at - time.time() == pytest.approx(360_000, abs=5)
    own = psutil.Process()
    job = {'PBS_JOBID': '7.server', **given}
    monkeypatch.setattr(psutil.Process, 'environ', lambda self: {'PBS_JOBID': '7.server'})
    assert job_end(job, ask, time.time()).at <= own.create_time() + 360_000


@pytest.mark.parametrize(
    ('environ', 'printed'),
    [
        ({}, {}),
        ({'SLURM_JOB_ID': '1'}, {'squeue': 'UNLIMITED\n'}),
        ({'SLURM_JOB_ID': '1'}, {'squeue': 'INVALID\n'}),
        ({'SLURM_JOB_ID': '1'}, {}),
        ({'SLURM_JOB_ID': '1', 'SLURM_JOB_END_TIME': str(int(NOW - 1))}, {}),  # outlived
        ({'SLURM_JOB_ID': '1', 'SLURM_JOB_END_TIME': 'Unknown'}, {}),
        ({'PBS_JOBID': '1'}, {'qstat': 'Resource_List.ncpus = 4'}),
        ({'COBALT_JOBID': '1', 'COBALT_ENDTIME': 'soon'}, {}),
    ],
)
def test_without_a_batch_job_or_its_end_there_is_no_limit(environ, printed):
    assert job_end(environ, answers(**printed), NOW) is None


def test_a_scheduler_whose_commands_are_not_there_is_no_error(monkeypatch):
    monkeypatch.setitem(os.environ, 'PATH', '/nowhere')
    assert job_end({'SLURM_JOB_ID': '1'}) is None


def test_the_sooner_of_both_counts_and_time_to_conclude_is_kept():
    far, near = JobEnd('Slurm', time.time() + 10 * 3600), JobEnd('Slurm', time.time() + 100)
    allowed = TimeLimit.of_process(1.0, far)
    assert allowed.hours_left() == pytest.approx(1, rel=1e-3)
    assert '--max-hours' in allowed.sentence
    walled = TimeLimit.of_process(20.0, far)
    assert walled.hours_left() == pytest.approx(10 - 60 / 3600, rel=1e-3)
    assert walled.sentence == 'Slurm ends this job in 10.0 hours; the campaign will be over before that.'
    assert TimeLimit.of_process(None, near).hours_left() * 3600 == pytest.approx(95, abs=2)
    assert TimeLimit.of_process(None, JobEnd('PBS', time.time() - 5)).hours_left() > 0


def test_no_limit_is_none(monkeypatch):
    for variable in ('SLURM_JOB_ID', 'PBS_JOBID', 'COBALT_JOBID'):
        monkeypatch.delenv(variable, raising=False)
    assert TimeLimit.of_process(None) is None
