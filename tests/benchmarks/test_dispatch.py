"""The figures of the dispatch benchmark, from runs whose figures are known."""

import pytest


def steady(tasks, seconds, gap, workers=2):
    """Workers that are each at a task for so long, and idle for so long between two."""
    turn = seconds + gap
    return [(worker, n * turn, n * turn + seconds) for worker in range(workers) for n in range(tasks // workers)]


@pytest.mark.parametrize(('seconds', 'gap'), [(0.2, 0.01), (1.0, 0.25), (0.001, 0.003)])
def test_a_steady_run_has_the_figures_it_was_made_with(seconds, gap):
    from dispatch_figures import Run, Work, figures_of

    work = Work(seconds, 200, 2)
    found = figures_of(Run(steady(200, seconds, gap), driver_cpu=4.0, server_cpu=2.0, other_cpu=8.0), work)
    assert found.idle_median == pytest.approx(gap)
    assert found.idle_p95 == pytest.approx(gap)
    assert found.rate == pytest.approx(2 / (seconds + gap), rel=0.02)
    assert found.utilization == pytest.approx(seconds / (seconds + gap), rel=0.02)
    assert (found.driver_cpu, found.server_cpu, found.other_cpu) == (0.02, 0.01, 0.04)


def test_start_and_end_do_not_count():
    from dispatch_figures import Run, Work, figures_of

    run = [(worker, start + 100.0, end + 100.0) for worker, start, end in steady(200, 0.1, 0.1)]
    late = [
        (worker, start, end) if n % 100 else (worker, start - 50.0, end - 50.0)
        for n, (worker, start, end) in enumerate(run)
    ]
    assert figures_of(Run(late, 0.0, 0.0, 0.0), Work(0.1, 200, 2)).utilization == pytest.approx(0.5, rel=0.03)


def test_a_run_that_lost_tasks_has_no_figures():
    from dispatch_figures import Run, Work, figures_of

    with pytest.raises(ValueError, match='Expected 200 tasks, got 100'):
        figures_of(Run(steady(100, 0.1, 0.1), 0.0, 0.0, 0.0), Work(0.1, 200, 2))


@pytest.mark.slow
@pytest.mark.parametrize('program', ['parsl', 'colmena', 'scoutbee'])
def test_each_program_does_the_work(program):
    from dispatch import PROGRAMS
    from dispatch_figures import Work

    found = PROGRAMS[program](Work(0.0, 40, 2))
    assert found.rate > 0
    assert 0 < found.utilization <= 1
