"""What a Parsl manager knows of its workers: who is at which task."""

import multiprocessing

import pytest

from scoutbee.fabric.parsl_books import Books


def work(tasks, worker, task_id):
    tasks[worker] = {'task_id': task_id, 'buffer': b'large'}


@pytest.mark.parametrize('method', ['spawn', 'fork'])
def test_what_a_worker_was_at_when_it_died_is_known_once(method):
    context = multiprocessing.get_context(method)
    tasks = Books(context, 3).dict()
    workers = [context.Process(target=work, args=(tasks, number, 10 + number)) for number in range(2)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    assert tasks.pop(1) == {'task_id': 11}
    assert tasks.pop(0) == {'task_id': 10}
    for number in range(3):
        with pytest.raises(KeyError):
            tasks.pop(number)
