"""The benchmark of the order of training and asking, at a tiny size."""

import re

import pytest

pytestmark = pytest.mark.slow


def test_every_order_is_told_for_every_kind_of_cost(capsys):
    from update_order import main

    assert main(['--members', '3', '--chunks', '2', '--faster', '50']) == 0
    printed = capsys.readouterr().out
    for order in ('one by one', 'all, then all', 'rerank: model', 'rerank: ensemble', 'limit of each'):
        assert printed.count(order) == 2
    tasks = re.findall(r'rerank: (\w+)[^|]*\|[^|]*\|[^|]*\|\s*(\d+)', printed)
    assert tasks == [('model', '4'), ('ensemble', '2')] * 2


def test_orders_differ_by_what_is_shared():
    from update_order import Costs, all_then_all, one_by_one

    costs = Costs('made up', train=10.0, shared=3.0, each=1.0)
    assert (one_by_one(costs, 4, 5).first, one_by_one(costs, 4, 5).last) == (14.0, 56.0)
    assert (all_then_all(costs, 4, 5).first, all_then_all(costs, 4, 5).tasks) == (47.0, 5)
