"""Both recipes on a small molecule, and what is said of results that are known."""

import numpy as np
import pytest


def compared(plain, ours, below, our_below):
    """A comparison of energies, each (neutral, cation) in eV; the last two are the minima below the first two."""
    from ionization import Compared
    from ionization_recipes import Cost, Ionization, State

    found = [Ionization(*(State(x, np.zeros((1, 3))) for x in each)) for each in (plain, ours, below, our_below)]
    return Compared('C', (Cost(3.0, 3.0, 60), Cost(1.0, 1.0, 20)), (found[0], found[1]), (found[2], found[3]))


@pytest.mark.parametrize(
    ('ends', 'same', 'reached'),
    [
        (((0.01, 12.01), (0.0, 12.0), (0.0, 12.0), (0.0, 12.0)), True, True),
        (((0.01, 12.3), (0.0, 12.0), (0.0, 12.0), (0.0, 12.0)), True, False),
        (((0.0, 12.0), (0.0, 11.5), (0.0, 12.0), (0.0, 11.5)), False, True),
    ],
)
def test_ends_on_a_slope_and_other_minima_are_told_apart(ends, same, reached):
    each = compared(*ends)
    assert (each.same_minimum, each.reached(0) and each.reached(1)) == (same, reached)
    assert each.difference == pytest.approx((ends[1][1] - ends[1][0]) - (ends[0][1] - ends[0][0]))


def test_both_recipes_find_the_same_of_a_stiff_molecule_and_their_work_is_counted():
    from ionization_recipes import costed, plain, polished, scoutbee

    found, cost = costed(plain, 'C=O')
    ours, our_cost = costed(scoutbee, 'C=O')
    assert ours.ip == pytest.approx(found.ip, abs=0.005)
    assert polished('C=O', ours).cation.energy <= ours.cation.energy + 1e-4
    assert min(cost.gradients, our_cost.gradients) >= 4
    assert cost.cpu > 0


def test_the_tables_are_printed_and_say_whether_the_goals_are_met(capsys):
    from ionization import _report

    alike = compared((0.0, 12.0), (0.0, 12.01), (0.0, 12.0), (0.0, 12.0))
    assert _report([alike])
    assert not _report([compared((0.0, 12.0), (0.0, 11.5), (0.0, 12.0), (0.0, 11.5))])
    plain_on_a_slope = compared((0.0, 12.3), (0.0, 12.0), (0.0, 12.0), (0.0, 12.0))
    assert _report([alike, plain_on_a_slope])
    ours_on_a_slope = compared((0.0, 12.0), (0.0, 12.3), (0.0, 12.0), (0.0, 12.0))
    assert not _report([alike, ours_on_a_slope])
    assert 'the rest' in capsys.readouterr().out


def test_no_molecule_is_judged_that_a_setting_was_tried_on():
    from ionization import MOLECULES, TRIED, TRIED_SEED, _drawn

    known = [line.split(',')[0] for line in MOLECULES.read_text().splitlines()[1:]]
    tried = {known[i] for i in np.random.default_rng(TRIED_SEED).permutation(len(known))[:TRIED]}
    assert set(_drawn(7)) == set(known) - tried
    assert _drawn(7) == _drawn(7) != _drawn(8)
