"""A campaign whose driver is killed again and again chooses as one that is left alone."""

import random

import pytest
from campaign_runs import ackley_flags, choices

from scoutbee.traces.reader import read
from scoutbee.traces.records import InferenceRecord, SimulationRecord, TrainingRecord
from scoutbee.traces.summary import read_summary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

POINTS, KILLS = 36, 3


def test_ackley_on_one_worker_chooses_the_same_however_often_its_driver_is_killed(runs):
    flags = ackley_flags(
        runs.folder, POINTS, num_qc_workers=1, retrain_frequency=7, pause_during_update='launch', policy={'prefetch': 0}
    )
    runs(*flags, '--quiet')
    undisturbed = runs.directory
    expected = choices(undisturbed)
    assert len(expected[2]) > 3

    chance = random.Random(7)
    process = runs.start(*flags, '--quiet')
    runs.wait(lambda: len(runs.directories) == 2)
    disturbed = next(path for path in runs.directories if path != undisturbed)
    for kill in range(KILLS):
        wanted = (kill + 1) * POINTS // (KILLS + 1) + chance.randint(-4, 4)
        runs.wait(lambda wanted=wanted: sum(1 for _ in read(disturbed, SimulationRecord)) >= wanted)
        process.kill()
        process.communicate()
        process = runs.start('--resume', disturbed, '--quiet')
    runs.finish(process)

    assert choices(disturbed) == expected
    assert read_summary(disturbed).resumed == KILLS
    trained = [(r.generation, r.member) for r in read(disturbed, TrainingRecord) if r.success]
    answers = [r for r in read(disturbed, InferenceRecord) if r.success]
    asked = [(r.generation, member, r.chunk) for r in answers for member in r.members]
    assert len(trained) == len(set(trained))
    assert len(asked) == len(set(asked))
