import pickle
from functools import partial

import fabric_tasks
import pytest
from colmena.models import Result

from scoutbee.fabric.methods import Spread, TaskMethod, name_of, task_functions
from scoutbee.fabric.worker_process import preload


def run(function, *args):
    """Run a task as a worker does, and read its result as the driver does."""
    task = Result((args, {}), method='simulate', serialization_method='pickle', task_info={'key': 'k'})
    task.serialize()
    method = pickle.loads(pickle.dumps(TaskMethod('simulate', function)))
    result = Result.model_validate_json(method(Result.model_validate_json(task.json())).json())
    result.deserialize()
    return result


def test_a_task_that_works_tells_where_it_ran_and_what_it_used():
    result = run(fabric_tasks.double, 21)
    assert result.success
    assert result.value['value'] == 42
    assert result.task_info == {'key': 'k'}
    info = result.worker_info.model_dump()
    assert info['hostname']
    assert info['pid'] > 0
    assert info['cpu_seconds'] >= 0
    assert info['peak_rss_bytes'] > 1e6
    assert 'scoutbee' in info['versions']
    assert result.time.running >= 0
    assert result.timestamp.compute_ended >= result.timestamp.compute_started
    assert result.inputs == ((), {})


@pytest.mark.parametrize(
    ('how', 'kind', 'error'),
    [
        ('input', 'input', 'InputTaskError'),
        ('convergence', 'convergence', 'ConvergenceTaskError'),
        ('memory', 'resource', 'MemoryError'),
        ('chance', 'random', 'ValueError'),
        ('exit', 'random', 'SystemExit'),
        ('unsendable', 'input', 'InputTaskError'),
    ],
)
def test_a_failure_comes_back_with_its_class(how, kind, error):
    result = run(fabric_tasks.misbehave, how)
    assert result.success is False
    assert result.value is None
    failure = result.task_info['failure']
    assert (failure['kind'], failure['error']) == (kind, error)
    assert failure['message']
    assert '\n' not in failure['message']
    assert 'Traceback' in failure['traceback']
    assert result.task_info['key'] == 'k'
    assert result.worker_info.pid > 0


def test_inputs_that_cannot_be_read_are_a_failure_too():
    task = Result(((1,), {}), method='simulate', serialization_method='pickle')
    task.serialize()
    task.inputs = (('beef',), {})
    result = TaskMethod('simulate', fabric_tasks.double)(task)
    assert result.success is False
    assert result.task_info['failure']['kind'] == 'random'


def test_arguments_that_were_lent_as_one_are_spread():
    def simulate(a, b):
        return a, b

    def train(data, a, b):
        return data, a, b

    tasks = task_functions({'simulate': simulate, 'train': train, 'infer': max})
    assert tasks['simulate']((1, 2)) == (1, 2)
    assert tasks['train']('data', (1, 2)) == ('data', 1, 2)
    assert tasks['infer'](1, 2) == 2


def test_a_function_keeps_its_name_when_wrapped():
    assert name_of(Spread(partial(fabric_tasks.double), 0)) == 'double'


def test_modules_are_loaded_ahead_and_missing_ones_do_not_matter(capsys):
    assert set(preload(['json', 'no_such_module_at_all'])) == {'json'}
    assert 'no_such_module_at_all' in capsys.readouterr().err
