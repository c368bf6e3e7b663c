import csv
import json

import pytest

from scoutbee import data

SMALL = {'known': 30, 'choices': 9, 'top': 10, 'batch': 4}


@pytest.fixture
def space(tmp_path):
    """A closed space of 80 molecules."""
    from discovery_run import Closed

    table = tmp_path / 'table.csv'
    with data.path('moses-ip-gfn2.csv').open(newline='') as source, table.open('w', newline='') as target:
        csv.writer(target).writerows(list(csv.reader(source))[:81])
    return Closed(table=str(table), **SMALL)


def result(space, method='random', seed=0, **changes):
    from discovery_run import Discovery, settings_of

    values = {
        'method': method,
        'seed': seed,
        'space': space,
        'settings': settings_of(method),
        'top_known': 2,
        'found': [0, 0, 1, 1, 2, 2, 3, 4, 4],
        'stale': 0,
        'seconds': 1.0,
    }
    return Discovery(**{**values, **changes})


def test_shares_count_what_was_not_known_and_what_was(space):
    one = result(space)
    assert one.share(9) == 4 / 8
    assert one.share(3) == 1 / 8
    assert one.share_with_known(9) == 6 / 10


def test_only_results_of_the_same_settings_and_space_are_taken_up(space, tmp_path):
    from discovery import read_results

    file = tmp_path / 'results.jsonl'
    assert read_results(file, space) == {}
    kept = result(space, seed=3)
    lines = [
        kept,
        result(space, seed=4, settings={'surrogate': 'another'}),
        result(space.model_copy(update={'choices': 8}), seed=5),
    ]
    text = '\n'.join(line.model_dump_json() for line in lines)
    file.write_text(text + '\n' + kept.model_dump_json()[:50])
    assert read_results(file, space) == {('random', 3): kept}


def test_the_table_has_a_line_for_each_method(space, capsys):
    from discovery import report

    report([result(space), result(space, seed=1, top_known=0), result(space, 'greedy')], space)
    out = capsys.readouterr().out
    assert 'top 10' in out
    cells = {line.split('|')[1].strip(): line.split('|')[2:] for line in out.splitlines() if line.startswith('|')}
    assert cells['random'][0].strip() == '2'
    assert cells['random'][3].strip().startswith('45 [')
    assert cells['greedy'][0].strip() == '1'


@pytest.mark.slow
def test_every_choice_of_a_run_is_accounted_for(space, tmp_path):
    from discovery_run import discover

    found = {method: discover(method, 1, space, tmp_path / 'cache') for method in ('greedy', 'random')}
    for one in found.values():
        assert len(one.found) == 9
        assert one.found == sorted(one.found)
        assert one.found[-1] <= 10 - one.top_known
        assert 0 <= one.stale < 9
    assert found['greedy'].top_known == found['random'].top_known, 'all methods start from the same'


@pytest.mark.slow
def test_the_benchmark_goes_on_where_it_was(space, tmp_path, capsys):
    from discovery import main, read_results

    file = tmp_path / 'results.jsonl'
    flags = ['--methods', 'greedy', '--results', str(file), '--space', json.dumps(space.model_dump())]
    assert main([*flags, '--seeds', '0']) == 0
    assert '0 of 1 runs' in capsys.readouterr().out
    with file.open('a') as results:
        results.write('{"half a line')
    assert main([*flags, '--seeds', '0-1', '--jobs', '2']) == 0
    assert '1 of 2 runs' in capsys.readouterr().out
    assert set(read_results(file, space)) == {('greedy', 0), ('greedy', 1)}


@pytest.mark.slow
def test_a_run_that_fails_is_told(space, tmp_path, capsys):
    from discovery import main

    wrong = json.dumps({**space.model_dump(), 'table': str(tmp_path / 'missing.csv')})
    assert main(['--methods', 'random', '--seeds', '0', '--space', wrong, '--results', str(tmp_path / 'r.jsonl')]) == 2
    assert 'missing.csv' in capsys.readouterr().err
