"""The state of a message after an attempt: every outcome, inside and after the window."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.delivery.message import Attempt, DoubtPolicy, Verdict
from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Rejected, Unknown, Unsent
from dispatcher.domain.delivery.retry import RetryPolicy
from dispatcher.domain.delivery.verdict import decide
from dispatcher.domain.messages.status import MISSED, TRANSITIONS, Place, Status
from dispatcher.domain.tier import Tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PATIENCE = RetryPolicy(receipt=72 * HOUR, backoff_base=timedelta(seconds=2), backoff_cap=timedelta(minutes=5))

outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.just(Accepted(("r",))),
    st.sampled_from(sorted(MISSED)).map(lambda status: Rejected(status, "no")),
    st.timedeltas(min_value=timedelta(0), max_value=4 * HOUR).map(lambda after: Deferred("later", after)),
    st.just(Unsent("refused")),
    st.just(Unknown("silence")),
)
tries = st.builds(
    Attempt,
    message_id=st.just(1),
    attempt=st.integers(1, 30),
    tier=st.sampled_from(Tier),
    not_after=st.timedeltas(min_value=-HOUR, max_value=HOUR).map(lambda left: NOW + left),
    deferrals=st.integers(0, 9),
    doubts=st.integers(0, 3),
    provider=st.just("sim"),
    outcome=outcomes,
)


def _decide(ended: Attempt, resends: int = 3) -> Verdict:
    return decide(ended, now=NOW, retry=PATIENCE, doubt=DoubtPolicy(resends), rng=random.Random(1))


@given(tries)
def test_every_verdict_is_a_transition_the_table_allows(ended: Attempt) -> None:
    verdict = _decide(ended)
    assert verdict.status is Status.PENDING or verdict.status in TRANSITIONS[Status.PENDING]
    assert (verdict.place is Place.HELD) == (verdict.status is Status.PENDING)


@given(tries)
def test_no_try_is_planned_after_the_window(ended: Attempt) -> None:
    verdict = _decide(ended)
    if verdict.place is Place.HELD:
        assert ended.not_after > NOW
        assert verdict.wake_at is not None
        assert NOW <= verdict.wake_at <= ended.not_after


@given(tries)
def test_a_message_that_may_have_been_sent_is_never_refunded(ended: Attempt) -> None:
    if ended.doubts or isinstance(ended.outcome, Unknown | Accepted):
        assert not _decide(ended).status.is_refunded


@given(tries)
def test_after_the_window_every_outcome_is_final(ended: Attempt) -> None:
    if ended.not_after > NOW:
        return
    status = _decide(ended).status
    match ended.outcome:
        case Accepted():
            assert status is Status.SENT
        case Rejected(status=reported):
            assert status is reported
        case Deferred() if ended.deferrals < 9:
            assert status is (Status.GAVE_UP if ended.doubts else Status.EXPIRED)
        case Unsent():
            assert status is (Status.GAVE_UP if ended.doubts else Status.EXPIRED)
        case _:
            assert status is Status.GAVE_UP


@given(tries, st.integers(0, 4))
def test_a_message_in_doubt_is_sent_again_at_most_as_often_as_the_policy_allows(
    ended: Attempt, resends: int
) -> None:
    if isinstance(ended.outcome, Unknown) and ended.doubts >= resends:
        assert _decide(ended, resends).status is Status.GAVE_UP


def test_the_tenth_deferral_is_the_last() -> None:
    ended = Attempt(1, 10, Tier.BULK, NOW + HOUR, 9, 0, "sim", Deferred("busy"))
    assert _decide(ended).status is Status.GAVE_UP
