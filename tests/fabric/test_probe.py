import pytest

from scoutbee.fabric.probe import compare, report

OURS = {
    'python': '3.11.7',
    'executable': '/env/bin/python',
    'host': 'driver',
    'scoutbee': '0.1.0',
    'numpy': '2.4.6',
    'colmena': '0.7.2',
    'proxystore': '1.1.0',
}


def verdict(**theirs):
    found = {**OURS, 'host': 'node7', **theirs}
    return compare(OURS, {name: version for name, version in found.items() if version is not None})


def test_a_report_fits_itself():
    assert set(report()) == set(OURS)
    assert compare(report(), report()).refusal is None
    assert compare(report(), report()).warnings == ()


@pytest.mark.parametrize('python', ['3.11.0', '3.11.14+'])
def test_the_same_minor_python_will_do(python):
    assert verdict(python=python).refusal is None


@pytest.mark.parametrize('python', ['3.10.7', '3.1', '3.110.7', '4.11.7'])
def test_another_python_will_not(python):
    told = verdict(python=python).refusal
    assert f'Python is {python} there and 3.11.7 here' in told
    assert '/env/bin/python on node7' in told


def test_all_that_is_wrong_is_told_at_once():
    told = verdict(scoutbee='0.2.0', colmena=None, numpy=None).refusal
    assert 'scoutbee is 0.2.0 there and 0.1.0 here' in told
    assert 'colmena is not installed there' in told
    assert 'numpy is not installed there' in told


def test_other_packages_may_differ():
    assert verdict(numpy='1.26.4', proxystore='1.0.0').warnings == (
        'numpy is 1.26.4 there and 2.4.6 here',
        'proxystore is 1.0.0 there and 1.1.0 here',
    )
