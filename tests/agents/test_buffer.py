"""What leaves the buffer, and in what order."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scoutbee.agents.buffer import Attempt, CandidateBuffer
from scoutbee.contracts.candidates import Candidate


def candidates(*keys):
    return [Candidate(str(key), (key,)) for key in keys]


def drain(buffer):
    out = []
    while (attempt := buffer.pop()) is not None:
        out.append(attempt.candidate.key)
    return out


def test_an_empty_buffer_gives_nothing_and_does_not_raise():
    buffer = CandidateBuffer(4)
    assert buffer.pop() is None
    assert buffer.is_spent


def test_ranked_candidates_leave_best_first():
    buffer = CandidateBuffer(4)
    buffer.replace(iter(candidates(3, 1, 2)))
    assert drain(buffer) == ['3', '1', '2']


def test_a_new_ranking_replaces_what_waits_but_never_repeats_what_left():
    buffer = CandidateBuffer(4)
    buffer.replace(iter(candidates(1, 2, 3)))
    assert buffer.pop() == Attempt(candidates(1)[0])
    buffer.replace(iter(candidates(3, 1, 4)))
    assert drain(buffer) == ['3', '4']


def test_only_the_top_of_a_ranking_becomes_objects():
    drawn = []

    def source():
        for i in count():
            drawn.append(i)
            yield Candidate(str(i), (i,))

    buffer = CandidateBuffer(5)
    buffer.replace(source())
    assert len(buffer) == 5
    assert len(drawn) == 5


def test_low_means_less_than_half_while_more_can_be_had():
    buffer = CandidateBuffer(4)
    buffer.replace(iter(candidates(*range(10))))
    for _ in range(3):
        assert not buffer.is_low
        buffer.pop()
    assert buffer.is_low
    buffer.refill()
    assert len(buffer) == 4


def test_repeats_and_follow_ups_survive_a_new_ranking_and_go_first():
    buffer = CandidateBuffer(4)
    buffer.replace(iter(candidates(1, 2)))
    first = buffer.pop()
    buffer.follow_up(candidates(8, 9, 8))
    buffer.repeat(Attempt(first.candidate, 2))
    buffer.replace(iter(candidates(9, 1, 2, 3)))
    assert drain(buffer) == ['1', '8', '9', '2', '3']


def test_what_was_handed_out_before_is_dropped():
    buffer = CandidateBuffer(4)
    buffer.mark_handed_out(['2', '3'])
    buffer.replace(iter(candidates(1, 2, 3, 4)))
    assert drain(buffer) == ['1', '4']
    assert buffer.was_handed_out('2')
    assert buffer.was_handed_out('4')
    assert not buffer.was_handed_out('5')


def test_what_is_given_back_leaves_where_a_ranking_brings_it_up():
    buffer = CandidateBuffer(2)
    buffer.replace(iter(candidates(1, 2, 3, 4, 2)))
    for _ in range(2):
        buffer.pop()
    buffer.refill()
    buffer.give_back(candidates(2)[0])
    assert drain(buffer) == ['3', '4']
    buffer.refill()
    assert len(buffer) == 1
    assert drain(buffer) == ['2']
    assert buffer.is_spent


def test_what_is_given_back_leaves_last_where_no_ranking_brings_it_up():
    buffer = CandidateBuffer(2)
    buffer.replace(iter(candidates(1, 2)))
    first = buffer.pop()
    buffer.give_back(first.candidate)
    buffer.replace(iter(candidates(3)))
    assert not buffer.is_spent
    assert drain(buffer) == ['3', '1']
    assert buffer.was_handed_out('1')


def test_follow_ups_are_owed_and_ranked_candidates_are_not():
    buffer = CandidateBuffer(2)
    buffer.replace(iter(candidates(1)))
    buffer.follow_up(candidates(8))
    assert [buffer.pop().is_owed, buffer.pop().is_owed] == [True, False]


@given(st.lists(st.integers(0, 30)), st.integers(1, 8))
def test_a_ranking_with_duplicates_is_deduplicated_in_order(keys, size):
    buffer = CandidateBuffer(size)
    buffer.replace(iter(candidates(*keys)))
    out = []
    while not buffer.is_spent:
        buffer.refill()
        out.extend(drain(buffer))
    assert out == list(dict.fromkeys(str(key) for key in keys))


class BufferMachine(RuleBasedStateMachine):
    """In any order of calls: first attempts are unique, and nothing owed is lost."""

    def __init__(self):
        super().__init__()
        self.buffer = CandidateBuffer(3)
        self.first, self.owed = [], []

    @rule(keys=st.lists(st.integers(0, 12), max_size=8))
    def rank(self, keys):
        self.buffer.replace(iter(candidates(*keys)))

    @rule(keys=st.lists(st.integers(0, 12), max_size=3))
    def follow_up(self, keys):
        self.buffer.follow_up(candidates(*keys))

    @rule()
    def refill(self):
        self.buffer.refill()

    @rule()
    def pop(self):
        attempt = self.buffer.pop()
        if attempt is None:
            assert len(self.buffer) == 0
        elif attempt.number == 1:
            assert attempt.candidate.key not in self.first
            self.first.append(attempt.candidate.key)
        else:
            assert attempt == self.owed.pop(0)

    @rule()
    def repeat(self):
        if self.first and self.first[-1] not in self.buffer.repeating():
            attempt = Attempt(Candidate(self.first[-1], ()), 2)
            self.owed.append(attempt)
            self.buffer.repeat(attempt)

    @rule()
    def drop_repeat(self):
        if self.owed:
            key = self.owed[-1].candidate.key
            self.owed = [attempt for attempt in self.owed if attempt.candidate.key != key]
            self.buffer.drop_repeat(key)
            assert key not in self.buffer.repeating()

    @rule()
    def give_back(self):
        if self.first and self.first[-1] not in {attempt.candidate.key for attempt in self.owed}:
            key = self.first.pop()
            self.buffer.give_back(Candidate(key, ()))
            assert not self.buffer.was_handed_out(key)
            assert not self.buffer.is_spent

    @invariant()
    def what_was_handed_out_is_known(self):
        assert all(self.buffer.was_handed_out(key) for key in self.first)

    @invariant()
    def what_is_owed_is_there(self):
        assert len(self.buffer) >= len(self.owed)


TestBufferMachine = BufferMachine.TestCase
