"""The table of transitions."""

import pytest

from dispatcher.domain.status import (
    CANCELLED,
    INITIAL,
    LATE_DELIVERY_RAISES,
    MISSED,
    TRANSITIONS,
    Status,
)

RANK = [Status.SCHEDULED, Status.PENDING, Status.SENT, Status.RECEIVED]


def test_codes_that_the_document_does_not_have_do_not_exist() -> None:
    assert not {int(s) for s in Status} & {*range(14, 20), *range(34, 38)}


def test_every_status_can_be_reached() -> None:
    assert set(Status) == INITIAL.union(*TRANSITIONS.values())


def test_the_way_goes_only_forward() -> None:
    for old, new in [(a, b) for i, b in enumerate(RANK) for a in RANK[i:]]:
        assert new not in TRANSITIONS[old], (old, new)


@pytest.mark.parametrize("final", [s for s in Status if s.is_final])
def test_a_final_status_stays_but_for_a_late_delivery(final: Status) -> None:
    assert TRANSITIONS[final] == ({Status.RECEIVED} if final in LATE_DELIVERY_RAISES else set())


def test_only_what_no_provider_had_is_refunded() -> None:
    assert {s for s in Status if s.is_refunded} == CANCELLED | {Status.WITHDRAWN}
    assert not any(s.is_refunded for s in MISSED)


def test_nothing_that_was_sent_can_be_cancelled_or_withdrawn() -> None:
    assert not TRANSITIONS[Status.SENT] & (CANCELLED | {Status.WITHDRAWN})
