"""Settings: where they come from, in which order, and that what a run writes down starts the same run again."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.contracts.policy import Policy
from scoutbee.driver.settings import Settings
from scoutbee.driver.settings_layers import campaigns, load_settings
from scoutbee.driver.settings_resume import RESUME_MAY_CHANGE
from scoutbee.driver.settings_sections import POLICY_OF_SITE
from scoutbee.driver.settings_yaml import dump_params

WORKERS = {'simulate': 2, 'train': 1, 'infer': 1}


def load(*flags, **environ):
    return load_settings(flags, environ)


def test_the_later_source_overrides_the_earlier(tmp_path):
    mine = tmp_path / 'mine.yaml'
    mine.write_text('search_size: 11\nretrain_frequency: 12\nbuffer_size: 13\npolicy: {grace: 1, prefetch: 3}\n')
    found = load(
        '--config', str(mine), '--buffer-size', '33', SCOUTBEE_RETRAIN_FREQUENCY='22', SCOUTBEE_POLICY__GRACE='2'
    )
    assert (found.search_size, found.retrain_frequency, found.buffer_size) == (11, 22, 33)
    assert (found.policy.grace, found.policy.prefetch) == (2, 3)
    assert found.molecules.threshold_ev == 14.0  # from the campaign's own YAML


def test_a_file_may_choose_the_campaign_and_so_its_defaults(tmp_path):
    mine = tmp_path / 'mine.yaml'
    mine.write_text('campaign: ackley\n')
    assert load('--config', str(mine)).surrogate == 'gaussian_process'
    assert load('--config', str(mine), '--campaign', 'molecules').surrogate == 'mpnn'
    assert load(SCOUTBEE_CAMPAIGN='ackley').campaign == 'ackley'


@pytest.mark.parametrize('name', campaigns())
def test_the_defaults_of_every_campaign_are_valid(name):
    found = load('--campaign', name)
    assert found.campaign == name
    assert found.policy_for(WORKERS).search_size == found.search_size


def test_ackley_brings_in_worker_blocks_after_the_second_and_fourth_ranking():
    policy = load('--campaign', 'ackley').policy_for(WORKERS)
    assert [(move.on, move.nth, move.source) for move in policy.slot_moves] == [
        ('ranking', 2, 'reserve'),
        ('ranking', 4, 'reserve'),
    ]
    assert policy.slots.reserve == sum(move.count for move in policy.slot_moves)


def test_another_surrogate_drops_the_settings_of_the_first(tmp_path):
    mine = tmp_path / 'mine.yaml'
    mine.write_text('surrogate: mpnn\nmodel: {width: 32}\n')
    assert load('--config', str(mine)).model == {'width': 32}
    assert load('--config', str(mine), '--surrogate', 'fingerprint').model == {}
    assert load('--config', str(mine), '--surrogate', 'mpnn', SCOUTBEE_MODEL__STEPS='3').model == {
        'width': 32,
        'steps': 3,
    }


def test_the_flag_to_pause_may_stand_alone():
    assert load('--pause-during-update').pause_during_update == 'launch'
    assert load('--pause-during-update', 'refill', '--seed', '1').pause_during_update == 'refill'
    assert load('--pause-during-update', '--seed', '1').seed == 1


def test_the_engine_follows_from_flags_endpoints_and_site():
    both = ('--ml-endpoint', 'a', '--qc-endpoint', 'b')
    assert load().engine_for('parsl') == 'parsl'
    assert load('--use-parsl').engine_for('local') == 'parsl'
    assert load(*both).engine_for('local') == 'globus'
    assert load(*both, '--use-parsl').engine_for('local') == 'parsl'


def test_variables_of_others_are_left_alone_and_near_misses_are_not():
    others = ('REDIS_PASSWORD', 'REDIS_PASSWORD_FILE', 'REDIS_USERNAME', 'REDIS_TLS', 'REDIS_CA')
    assert load(**{f'SCOUTBEE_{name}': 'x' for name in others}) == load()
    with pytest.raises(ConfigurationError, match='did you mean search_size'):
        load(SCOUTBEE_SERCH_SIZE='3')


def test_slots_follow_the_workers_of_the_site():
    slots = load('--num-qc-workers', '5').policy_for(WORKERS).slots
    assert (slots.simulate, slots.train, slots.infer, slots.reserve) == (5, 1, 1, 0)
    slots = load(SCOUTBEE_POLICY__SLOTS__RESERVE='1', SCOUTBEE_POLICY__SLOTS__INFER='4').policy_for(WORKERS).slots
    assert (slots.simulate, slots.infer, slots.reserve) == (1, 4, 1)
    with pytest.raises(ConfigurationError, match='reserve'):
        load(SCOUTBEE_POLICY__SLOTS__RESERVE='2').policy_for(WORKERS)


def test_every_setting_of_the_agents_can_be_set():
    chosen = Settings().model_dump()
    settable = set(chosen) | set(chosen['policy'])
    assert set(Policy.model_fields) - set(POLICY_OF_SITE) <= settable


def test_a_threshold_for_each_topic(tmp_path):
    mine = tmp_path / 'mine.yaml'
    mine.write_text('ps_threshold: {train: 5}\n')
    assert load('--config', str(mine)).thresholds() == {'simulate': 10_000, 'train': 5, 'infer': 10_000}
    assert load('--config', str(mine), '--ps-threshold', '7').thresholds() == dict.fromkeys(WORKERS, 7)


def test_no_proxystore_turns_every_backend_off():
    assert set(load().backends()) == {'simulate', 'train', 'infer'}
    assert load('--no-proxystore').backends() == {}


def test_a_resumed_run_takes_its_own_settings_and_may_grow(tmp_path, command):
    params = dump_params(load('--seed', '7', '--search-size', '50', '--runs-dir', str(tmp_path)))
    (tmp_path / 'params.yaml').write_text(params)
    resumed = load('--resume', str(tmp_path), '--search-size', '60', SCOUTBEE_SEED='8')
    assert (resumed.seed, resumed.search_size, resumed.resume) == (7, 60, tmp_path)
    for change, reason in (
        (('--seed', '8'), '--seed'),
        (('--search-size', '40'), 'at least 50'),
        (('--beta', '3'), 'what is recorded was decided under the old value'),
        (('--molecules-per-ml-task', '3'), '--molecules-per-ml-task'),
    ):
        done = command('--resume', str(tmp_path), *change, '--dry-run')
        assert done.returncode == 2
        assert reason in done.stderr


@pytest.mark.parametrize(
    ('text', 'refused'),
    [
        ('policy: {grace: 3, deadlines: {simulate: 9}, simulation_lease: 5, failure_share: 0.9}', None),
        ('search_size: 60\nmax_hours: 2\nnum_qc_workers: 3\nredis_patience: 9\nps_threshold: 5', None),
        ('policy: {rerank: ensemble, grace: 3}', 'policy.rerank'),
        ('policy: {slot_moves: [{on: ranking, source: reserve, target: simulate, count: 1}]}', 'policy.slot_moves'),
        ('campaign: ackley', '--campaign'),
        ('model: {a: 1}', 'model'),
    ],
)
def test_a_resumed_run_may_have_other_settings_that_contradict_nothing(tmp_path, command, text, refused):
    params = dump_params(load('--search-size', '50', '--runs-dir', str(tmp_path)))
    (tmp_path / 'params.yaml').write_text(params)
    (tmp_path / 'changes.yaml').write_text(text)
    done = command('--resume', str(tmp_path), '--config', 'changes.yaml', '--dry-run')
    if refused is None:
        assert (done.returncode, done.stderr) == (0, '')
    else:
        assert done.returncode == 2
        assert refused in done.stderr
        assert 'grace' not in done.stderr


def test_everything_that_may_change_on_resume_is_a_setting():
    chosen = Settings()
    places = set(Settings.model_fields) | {f'policy.{name}' for name in type(chosen.policy).model_fields}
    assert places >= RESUME_MAY_CHANGE


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=['Cs', 'Cc']), max_size=8)
    | st.sampled_from(['on', 'off', 'no', 'null', '1e5', '1_000', '12:30', '0x1f', '2026-01-01', '.inf', '~', '- a']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(['a', 'on', '1', 'b c']), inner),
    max_leaves=6,
)
_moves = st.lists(
    st.fixed_dictionaries(
        {
            'on': st.sampled_from(['training', 'trained', 'ranking']),
            'nth': st.none() | st.integers(1, 9),
            'source': st.just('reserve'),
            'target': st.just('simulate'),
            'count': st.integers(1, 9),
        }
    ),
    max_size=3,
)
_settings = st.fixed_dictionaries(
    {},
    optional={
        'campaign': st.sampled_from(campaigns()),
        'seed': st.integers(0, 2**32 - 1),
        'beta': st.floats(0, 1e6),
        'learning_rate': st.floats(1e-12, 1),
        'redishost': st.none() | st.text(st.characters(exclude_categories=['Cs', 'Cc']), min_size=1, max_size=12),
        'search_space': st.none() | st.sampled_from(['data:x.smi', 'a b.smi', '/ü/#: x.csv', '-', "it's.smi"]),
        'ps_threshold': st.integers(0, 10**9)
        | st.dictionaries(st.sampled_from(['train', 'infer']), st.integers(0, 10**9)),
        'model': st.dictionaries(st.sampled_from(['width', 'on', 'x y']), _plain, max_size=3),
        'policy': st.fixed_dictionaries(
            {},
            optional={
                'slot_moves': _moves,
                'grace': st.floats(0, 1e9),
                'slots': st.fixed_dictionaries({}, optional={'simulate': st.none() | st.integers(1, 9)}),
            },
        ),
        'no_proxystore': st.booleans(),
        'max_hours': st.none() | st.floats(1e-9, 1e9),
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=_settings)
def test_what_a_run_writes_down_gives_the_same_settings_back(values, tmp_path):
    before = Settings.model_validate(values)
    params = tmp_path / 'params.yaml'
    params.write_text(dump_params(before), encoding='utf-8')
    after = load('--config', str(params))
    assert after.model_dump(exclude={'config'}) == before.model_dump(exclude={'config'})
    # Any other reader of YAML sees the same keys and values.
    assert yaml.safe_load(params.read_text(encoding='utf-8'))['policy'].keys() == before.policy.model_dump().keys()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode('utf-8', 'replace')))
def test_no_content_of_a_settings_file_brings_anything_but_a_readable_message(content, tmp_path):
    params = tmp_path / 'params.yaml'
    params.write_bytes(content)
    with contextlib.suppress(ConfigurationError):  # the one thing that `main` turns into a message
        load('--config', str(params))
