import json
from dataclasses import replace

import pytest


def series(grows=0, files=9, opens=0.0, threads=3, count=40, step=50):
    """Samples of a process of which one thing or another grows."""
    from soak import Sample

    return [
        Sample(i * step, 2**20 + 2 * i * step * grows, i * step * grows, int(files + i * opens), threads)
        for i in range(count)
    ]


def all_of(**changes):
    samples = {(kind, pid): series() for pid, kind in enumerate(('driver', 'task server', 'redis', 'worker'))}
    return {**samples, **{(kind.replace('_', ' '), 7): changed for kind, changed in changes.items()}}


def trend_of(samples):
    from soak import trends

    return next(trend for trend in trends(samples, 2_000) if trend.pid == 7)


def test_what_grows_with_each_task_is_measured():
    trend = trend_of(all_of(task_server=series(grows=300)))
    assert trend.slope == pytest.approx(300)
    assert trend.is_flat(300.1)
    assert not trend.is_flat(299.9)


def test_the_first_quarter_does_not_count():
    early = [sample if sample.results >= 500 else replace(sample, uss=0) for sample in series(count=40)]
    assert trend_of(all_of(driver=early)).slope == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('change', [{'files': 9, 'opens': 0.5}])
def test_files_that_are_opened_for_ever_are_seen(change):
    assert not trend_of(all_of(redis=series(**change))).is_flat(100)


def test_a_run_that_is_over_too_soon_is_refused():
    from soak import trends

    with pytest.raises(RuntimeError, match='more --tasks'):
        trends({key: samples[:6] for key, samples in all_of().items()}, 2_000)


@pytest.mark.slow
def test_some_thousand_tasks_are_seen_through(tmp_path, capfd):
    from soak import main

    figures = tmp_path / 'figures.json'
    # So many that what workers import as they start lies within the quarter that is left out.
    main(['--tasks', '8000', '--json', str(figures)])
    told = capfd.readouterr().out
    found = json.loads(figures.read_text())
    kinds = {trend['kind'] for trend in found['trends']}
    assert {'driver', 'task server', 'redis', 'worker'} <= kinds
    assert 'Verdict' in told or 'Not flat' in told
    for trend in found['trends']:
        first, last = trend['files']
        assert last <= first + 1, trend
        assert trend['slope'] < 20 * found['bytes_an_observation'], trend
