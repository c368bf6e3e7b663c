import pytest

from scoutbee.contracts.campaign import KINDS
from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.sites import load_site, site_names, usable_cores

GOOD = """
name: mine
executors:
  all: {kinds: [simulate, train, infer], workers: 3, preload: [json]}
"""

BATCH = """
name: mine
executors:
  all:
    kinds: [simulate, train, infer]
    workers: 3
    provider: {type: slurm, partition: debug, nodes_per_block: 2, max_blocks: 5}
"""


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        file = tmp_path / 'mine.yaml'
        file.write_text(text)
        return load_site(file)

    return load_text


def refused(load, text, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        load(text)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_every_site_that_comes_along_can_be_read(monkeypatch):
    monkeypatch.setenv('ACCOUNT', 'project')
    assert site_names() == ['local', 'perlmutter', 'polaris', 'theta']
    for name in site_names():
        site = load_site(name)
        assert site.name == name
        assert all(site.workers(kind) >= 1 for kind in KINDS)


def test_the_local_site_uses_this_machine():
    site = load_site('local')
    assert site.workers('simulate') == usable_cores()
    assert site.workers('train') == site.workers('infer') == 1
    assert site.executor_for('train')[0] == site.executor_for('infer')[0]
    assert site.executors['simulate'].env['OMP_NUM_THREADS'] == '1'


def test_machines_that_need_a_project_ask_for_it(monkeypatch):
    monkeypatch.delenv('ACCOUNT', raising=False)
    with pytest.raises(ConfigurationError, match=r'provider.account.*ACCOUNT=.*not set'):
        load_site('polaris')
    monkeypatch.setenv('ACCOUNT', 'bees')
    assert load_site('polaris').executors['learn'].provider.account == 'bees'


def test_a_site_can_be_a_file(load):
    assert load(GOOD).workers('infer') == 3


def test_workers_are_counted_on_all_nodes_of_all_blocks(load):
    assert load(BATCH).workers('simulate') == 3 * 2 * 5


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('workers: 3', 'workers: 0'), 'executors.all: workers is 0; expected at least 1'),
        (('workers: 3', 'workers: many'), "executors.all.workers is 'many': .* integer.* or expected 'cores'"),
        (('workers: 3', 'wrokers: 3'), 'executors.all.wrokers.*no such field.*mean workers.*one of kinds, workers'),
        (('name: mine', 'name: mine\nqueue: debug'), 'queue.*no such field; expected one of name'),
        (('name: mine', 'name: mine\naddress: 10'), 'address is 10: expected text; put it in quotes'),
        (
            ('[simulate, train, infer]', '[simulate, train]'),
            "exactly one executor with 'infer' among its kinds, got none",
        ),
        (('[simulate, train, infer]', '[cook]'), "'cook'.*'simulate'"),
        (('preload: [json]', 'env: {OMP_NUM_THREADS: 1}'), 'all.env.OMP_NUM_THREADS is 1: expected text; put it in q'),
        (('preload: [json]', 'env: {"A-B": "1"}'), 'all.env.A-B'),
        (('workers: 3', 'accelerators: -1'), 'all.accelerators is -1'),
        (('workers: 3', 'workers: 3, accelerators: 2'), 'workers is 3, but there are 2 accelerators.*as many'),
        (('workers: 3', 'workers: cores, accelerators: 2'), "workers is 'cores', but there are 2 accelerators"),
        (('workers: 3', 'workers: 2, accelerators: [a, a]'), r'names one twice \(a, a\); if workers are to share'),
        (('workers: 3', 'provider: slurm'), 'all.provider.*expected fields and their values'),
        (('workers: 3', 'provider: {partition: x}'), 'all.provider: no type is given; expected one of local, slurm'),
        (('workers: 3', 'provider: {type: sge}'), "all.provider: type is 'sge'; expected one of local, slurm, pbspro"),
        (('name: mine', 'name: [mine'), 'is not YAML'),
        (('name: mine', 'name: mine\nname: yours'), "got 'name' twice"),
        ((GOOD, '- 1'), 'expected fields such as name'),
        ((GOOD, ''), 'expected fields such as name'),
        (('name: mine', ''), 'name'),
    ],
)
def test_what_is_wrong_with_a_site_is_said_in_one_line(load, change, words):
    told = refused(load, GOOD.replace(*change), words)
    assert 'mine.yaml' in told


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('partition: debug', 'partitoin: debug'), 'all.provider.partitoin.*no such field.*mean partition.*qos'),
        (('partition: debug', 'queue: debug'), 'all.provider.queue.*no such field.*constraint, exclusive'),
        (('workers: 3', 'workers: cores'), 'cores of a node from slurm are not known here; say how many'),
        (('partition: debug', 'walltime: 10:00:00'), 'all.provider.walltime is 36000: .*in quotes'),
        (('partition: debug', 'walltime: "1:00"'), "walltime is '1:00'; expected HH:MM:00"),
        (('partition: debug', 'walltime: "01:00:30"'), "walltime is '01:00:30'; expected HH:MM:00"),
        (('partition: debug', 'walltime: "00:00:00"'), "walltime is '00:00:00'; expected"),
        (('partition: debug', 'drain_minutes: 60'), 'drain_minutes is 60, which is not less than the walltime'),
        (('partition: debug', 'min_blocks: 6'), 'min_blocks is 6, which is more than the 5 of max_blocks'),
        (('partition: debug', 'scheduler_options: --mem=1G'), "line '--mem=1G'; expected #SBATCH at its start"),
        (('partition: debug', 'scheduler_options: "#PBS -V"'), "line '#PBS -V'; expected #SBATCH at its start"),
        (('workers: 3', 'workers: 3\n    accelerators: 3\n    env: {}'), None),
        (('partition: debug', 'gpus_per_node: 2'), None),
        (('slurm, partition: debug', 'pbspro, cpus_per_node: 2'), 'cpus_per_node of the provider is 2, but 3 workers'),
        (('slurm, partition: debug', 'pbspro, cpus_per_node: 3'), None),
        (('name: mine', 'name: mine\nengine: local'), 'executors.all.provider is heeded by the engine parsl alone'),
    ],
)
def test_what_is_wrong_with_a_batch_system_is_said_in_one_line(load, change, words):
    text = BATCH.replace(*change)
    if words is None:
        load(text)
    else:
        refused(load, text, words)


def test_gpus_that_are_pinned_are_those_that_are_asked_for(load):
    text = BATCH.replace('partition: debug', 'gpus_per_node: 2')
    load(text.replace('workers: 3', 'workers: 4\n    accelerators: 4'))  # two workers share each
    refused(
        load, text.replace('workers: 3', 'workers: 3\n    accelerators: 3'), 'accelerators is 3, but gpus_per_node .* 2'
    )


@pytest.mark.parametrize(
    ('engine', 'field', 'users'),
    [
        ('local', 'worker_init: ulimit -c 0', 'parsl'),
        ('local', 'accelerators: 3', 'parsl'),
        ('globus', 'launch_prefix: nice', 'parsl'),
        ('globus', 'accelerators: [a, b, c]', 'parsl'),
        ('parsl', 'endpoint: 4c56e1a5', 'globus'),
        ('local', 'endpoint: 4c56e1a5', 'globus'),
    ],
)
def test_what_an_engine_does_not_heed_is_refused(load, engine, field, users):
    text = GOOD.replace('preload: [json]', field)
    name = field.partition(':')[0]
    refused(load, f'{text}engine: {engine}', f'executors.all.{name} is heeded by the engine {users} alone.*{engine}')


def test_the_cores_of_an_endpoint_are_not_counted_here(load):
    refused(load, f'{GOOD.replace("workers: 3", "workers: cores")}engine: globus', 'cores of a Globus Compute endpoint')


def test_a_changed_site_must_fit_as_well(load):
    site = load(BATCH)
    assert site.changed(address='login1').address == 'login1'
    with pytest.raises(ConfigurationError, match=r'The site mine does not fit: executors.all.provider is heeded'):
        site.changed(engine='local')
    executor = site.executors['all'].model_copy(update={'workers': 0})
    with pytest.raises(ConfigurationError, match='workers is 0'):
        site.changed(executors={'all': executor})


def test_accelerators_may_be_named_by_numbers(load):
    site = load(GOOD.replace('workers: 3', 'workers: 2, accelerators: [0, 1]'))
    assert site.executors['all'].accelerator_names() == ('0', '1')


def test_a_site_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    with pytest.raises(ConfigurationError, match='local'):
        load_site('nowhere')
    with pytest.raises(ConfigurationError, match='cannot be read'):
        load_site(tmp_path / 'nowhere.yaml')
