"""Which due callbacks are called: few of one account and host; those who wait come before those who have."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.callbacks.slots import (
    MAX_CALLS,
    MAX_CALLS_OF_ACCOUNT,
    MAX_CALLS_OF_HOST,
    CallbackCandidate,
    CallSlots,
)


def due(account: int, count: int = 30, *, host: str | None = None) -> list[CallbackCandidate]:
    url = f"https://{host or f'h{account}.example'}/sms"
    return [CallbackCandidate(account * 1000 + number, account, url) for number in range(count)]


def call(slots: CallSlots, candidates: list[CallbackCandidate]) -> list[CallbackCandidate]:
    """Open the calls that are chosen, and return them."""
    by_id = {candidate.id: candidate for candidate in candidates}
    chosen = [by_id[id_] for id_ in slots.choose(candidates)]
    for one in chosen:
        slots.open(one.account_id, one.url)
    return chosen


def test_an_account_has_ten_calls_and_the_oldest_first() -> None:
    slots = CallSlots()
    assert [one.id for one in call(slots, due(1))] == list(range(1000, 1010))
    assert call(slots, due(1)) == []
    slots.close(1, due(1)[0].url)
    assert len(call(slots, due(1))) == 1


def test_a_host_has_thirty_calls_whoever_owns_them() -> None:
    slots = CallSlots()
    candidates = [one for account in range(1, 6) for one in due(account, host="SHARED.example")]
    chosen = call(slots, candidates)
    assert len(chosen) == MAX_CALLS_OF_HOST
    assert {one.account_id for one in chosen} == set(range(1, 6))
    assert call(slots, due(1, host="shared.example:8443")) == []


def test_a_host_that_is_full_does_not_stop_the_other_hosts_of_an_account() -> None:
    slots = CallSlots()
    for account in (1, 2, 3):
        call(slots, due(account, host="shared.example"))
    chosen = call(slots, [*due(4, 5, host="shared.example"), *due(4, 2)])
    assert [one.url for one in chosen] == ["https://h4.example/sms"] * 2


def test_when_slow_receivers_hold_all_calls_the_next_one_is_of_an_account_that_waits() -> None:
    slots = CallSlots()
    slow = range(1, 40)
    call(slots, [one for account in slow for one in due(account)])
    assert slots.free == 0
    assert slots.turn([*slow, 99]) == []
    slots.close(7, due(7)[0].url)
    assert slots.turn([*slow, 99]) == [99]
    assert [one.account_id for one in call(slots, [*due(7), *due(99)])] == [99]


def test_of_accounts_with_equally_many_calls_each_has_its_turn() -> None:
    slots = CallSlots()
    many = list(range(1, MAX_CALLS * 2 + 1))
    first, second = slots.turn(many), slots.turn(many)
    assert len(first) == MAX_CALLS
    assert sorted(first + second) == many


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.integers(0, 30), st.sampled_from(["a.example", "b.example", None])),
        unique_by=lambda one: one[0],
    )
)
def test_no_limit_is_ever_exceeded_and_no_slot_stays_empty_without_need(
    wanted: list[tuple[int, int, str | None]],
) -> None:
    slots = CallSlots()
    candidates = [one for account, count, host in wanted for one in due(account, count, host=host)]
    chosen = call(slots, candidates)
    assert len({one.id for one in chosen}) == len(chosen) <= MAX_CALLS
    left = [one for one in candidates if one not in chosen]
    for key, most in (("account_id", MAX_CALLS_OF_ACCOUNT), ("url", MAX_CALLS_OF_HOST)):
        for value in {getattr(one, key) for one in candidates}:
            assert sum(getattr(one, key) == value for one in chosen) <= most
    for one in left:
        of_account = sum(other.account_id == one.account_id for other in chosen)
        of_host = sum(other.url == one.url for other in chosen)
        assert len(chosen) == MAX_CALLS or of_account == MAX_CALLS_OF_ACCOUNT or of_host == MAX_CALLS_OF_HOST
