"""The ranking benchmark: all programs choose the same, and the table says of each what it costs."""

import re


def test_all_programs_choose_the_same_of_a_small_space(capsys):
    from ranking import PROGRAMS, main

    assert main(['--candidates', '30000', '--taken', '50', '--repeats', '1']) == 0
    printed = capsys.readouterr().out
    for name in PROGRAMS:
        assert re.search(rf'\| {re.escape(name)} +(\| +\d+ ){{5}}\|', printed), name
    assert 'The limit' in printed


def test_what_was_taken_is_not_chosen_again():
    import numpy as np
    from ranking import PROGRAMS, make_work

    work = make_work(5_000, 3, 40, list(PROGRAMS))
    taken = {f'x{row}' for row in work.taken}
    for name, program in PROGRAMS.items():
        chosen = program(work, 64)
        assert len(set(chosen)) == 64, name
        assert not taken & set(chosen), name
    mean = np.mean([np.concatenate(parts) for parts in work.predictions.arrays], axis=0)
    free = np.setdiff1d(np.arange(5_000), work.taken)
    assert PROGRAMS['scoutbee (greedy)'](work, 1) == [f'x{free[np.argmax(mean[free])]}']
