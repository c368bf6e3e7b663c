import pytest
from hypothesis import given
from hypothesis import strategies as st


def passes(**changes):
    """What a side did with two objects in three passes."""
    from data_fabric_run import Passes

    made = {
        'lend_seconds': [0.1, 0.3],
        'wall_seconds': [2.0, 1.0, 1.0],
        'task_seconds': [[4.0, 6.0], [1.0, 2.0], [3.0, 2.0]],
        'input_seconds': [[0.5, 0.7], [0.1, 0.2], [0.0, 0.0]],
        'hits': [[False, False], [True, False], [True, True]],
    }
    return Passes(**{**made, **changes})


def cell(repeat=0, **changes):
    from data_fabric_report import Cell, Work

    work = Work(backend='file', size=1000, objects=2, passes=3, repeat=repeat, engine='local', workers=1)
    return Cell(work=work, scoutbee=passes(**changes), colmena=passes())


@given(st.integers(1, 10**12))
def test_a_size_is_read_as_it_is_written(size):
    from data_fabric_report import parse_size, size_name

    assert parse_size(size_name(size)) == size


@pytest.mark.parametrize(('text', 'size'), [('1kB', 1000), ('10 MB', 10**7), ('1.5kB', 1500), ('7', 7), ('7B', 7)])
def test_sizes_are_read_as_people_write_them(text, size):
    from data_fabric_report import parse_size

    assert parse_size(text) == size


@pytest.mark.parametrize('text', ['', 'kB', '0', '-1kB', '1.5', '1GB', '1 kilobyte', 'nan', 'inf'])
def test_what_is_no_size_is_refused(text):
    from data_fabric_report import parse_size

    with pytest.raises(ValueError, match='expected'):
        parse_size(text)


def test_the_first_pass_is_kept_apart_from_later_ones():
    from data_fabric_report import figures

    found = figures([passes()], 1000)
    assert found.task[0] == 5.0
    assert found.later.task[0] == 2.0
    assert found.later.task[0] <= found.later.task[1] <= 3.0
    assert found.inputs == pytest.approx(0.6)
    assert found.later.inputs == pytest.approx(0.05)
    assert found.lend == pytest.approx(0.2)


def test_only_the_second_pass_tells_what_is_ready():
    from data_fabric_report import figures

    found = figures([passes()], 1000)
    assert found.later.ready == 0.5
    assert found.later.hits == 0.75
    assert found.rate == pytest.approx(6 * 1000 / 4.4)


def test_nothing_is_said_of_later_passes_where_there_is_one():
    from data_fabric_report import figures, report

    alone = {'wall_seconds': [2.0], 'task_seconds': [[4.0, 6.0]], 'input_seconds': [[0.5, 0.7]], 'hits': [[False] * 2]}
    assert figures([passes(**alone)], 1000).later is None
    report([cell(**alone)])


def test_repeats_are_taken_together():
    from data_fabric_report import figures

    slow = passes(task_seconds=[[8.0, 8.0], [9.0, 9.0], [9.0, 9.0]])
    assert figures([passes(), slow], 1000).task[0] == 7.0


def test_half_a_line_of_a_run_that_was_killed_is_passed_over(tmp_path):
    from data_fabric_report import read_cells

    file = tmp_path / 'results.jsonl'
    assert read_cells(file) == {}
    first, second = cell(), cell(repeat=1)
    file.write_text(f'{first.model_dump_json()}\n{second.model_dump_json()[:40]}')
    assert read_cells(file) == {first.work: first}


@pytest.mark.slow
def test_every_object_arrives_and_what_is_said_of_it_fits(tmp_path, capsys):
    """That each task saw its own object is checked as the benchmark runs."""
    from data_fabric import main
    from data_fabric_report import read_cells

    file = tmp_path / 'results.jsonl'
    command = ['--quick', '--backends', 'none', 'redis', 'file', '--results', str(file)]
    assert main(command) == 0
    cells = read_cells(file)
    assert {(work.backend, work.size) for work in cells} == {
        (backend, size) for backend in ('none', 'redis', 'file') for size in (1_000, 100_000)
    }
    for work, found in cells.items():
        for side in (found.scoutbee, found.colmena):
            assert len(side.lend_seconds) == work.objects
            assert len(side.wall_seconds) == work.passes
            for table in (side.task_seconds, side.input_seconds, side.hits):
                assert [len(row) for row in table] == [work.objects] * work.passes
            for tasks, inputs, wall in zip(side.task_seconds, side.input_seconds, side.wall_seconds, strict=True):
                assert all(0 <= waited <= task for task, waited in zip(tasks, inputs, strict=True))
                assert max(tasks) <= wall
            assert not any(side.hits[0]), 'nothing is in a cache before it was used'
            assert work.backend != 'none' or not any(map(any, side.hits))
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith('6 of 6 results')
