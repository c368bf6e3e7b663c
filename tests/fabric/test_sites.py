import pytest

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.fabric.sites import load_site, site_names, usable_cores

GOOD = """
name: mine
executors:
  all: {kinds: [simulate, train, infer], workers: 3, preload: [json]}
"""


def test_every_site_that_comes_along_can_be_read():
    assert 'local' in site_names()
    for name in site_names():
        assert load_site(name).name == name


def test_the_local_site_uses_this_machine():
    site = load_site('local')
    assert site.workers('simulate') == usable_cores()
    assert site.workers('train') == site.workers('infer') == 1
    assert site.executor_for('train')[0] == site.executor_for('infer')[0]
    assert site.executors['simulate'].env['OMP_NUM_THREADS'] == '1'


def test_a_site_can_be_a_file(tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text(GOOD)
    assert load_site(file).workers('infer') == 3


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('workers: 3', 'workers: 0'), 'executors.all: workers is 0; expected at least 1'),
        (('workers: 3', 'workers: many'), "executors.all.workers.*'many'.*'cores'"),
        (('workers: 3', 'wrokers: 3'), 'executors.all.wrokers.*no such field; expected one of kinds, workers'),
        (('name: mine', 'name: mine\nqueue: debug'), 'queue.*no such field; expected one of name'),
        (
            ('[simulate, train, infer]', '[simulate, train]'),
            "exactly one executor with 'infer' among its kinds, got none",
        ),
        (('[simulate, train, infer]', '[cook]'), "'cook'.*'simulate'"),
        (('name: mine', 'name: [mine'), 'is not YAML'),
        ((GOOD, '- 1'), 'expected fields such as name'),
        ((GOOD, ''), 'expected fields such as name'),
        (('name: mine', ''), 'name'),
    ],
)
def test_what_is_wrong_with_a_site_is_said_in_one_line(tmp_path, change, words):
    file = tmp_path / 'mine.yaml'
    file.write_text(GOOD.replace(*change))
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_site(file)
    assert str(file) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_site_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    with pytest.raises(ConfigurationError, match='local'):
        load_site('nowhere')
    with pytest.raises(ConfigurationError, match='cannot be read'):
        load_site(tmp_path / 'nowhere.yaml')
