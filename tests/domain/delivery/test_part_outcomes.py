"""Parts of a message: those that are taken, and the outcome of the message."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.delivery.part_outcomes import outcome_of_parts
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    PartlyAccepted,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Status

TAKEN, LATER, NEVER, DOUBT, NOT_WRITTEN = (
    Accepted(("a",)),
    Deferred("ESME_RTHROTTLED"),
    Rejected(Status.INVALID_NUMBER, "ESME_RINVDSTADR"),
    Unknown("no answer"),
    Unsent("the gate was closed"),
)


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        ({1: TAKEN, 2: Accepted(("b",))}, Accepted(("a", "b"))),
        ({1: TAKEN, 2: Accepted(())}, Accepted(("a", ""))),
        ({1: Accepted(()), 2: Accepted(())}, Accepted(())),
        ({1: TAKEN, 2: NEVER}, PartlyAccepted(2, {1: "a"}, NEVER)),
        ({1: DOUBT, 2: NEVER, 3: LATER}, NEVER),
        ({1: TAKEN, 2: DOUBT, 3: LATER}, PartlyAccepted(3, {1: "a"}, DOUBT)),
        ({1: LATER, 2: DOUBT}, DOUBT),
        ({1: NOT_WRITTEN, 2: LATER}, LATER),
        ({1: NOT_WRITTEN, 2: NOT_WRITTEN}, NOT_WRITTEN),
        ({1: TAKEN, 2: LATER, 3: Accepted(("c",))}, PartlyAccepted(3, {1: "a", 3: "c"}, LATER)),
        ({1: LATER}, LATER),
    ],
)
def test_the_parts_of_a_message_have_one_outcome(parts: Mapping[int, Outcome], outcome: Outcome) -> None:
    assert outcome_of_parts(parts, total=len(parts)) == outcome


def test_the_parts_of_an_earlier_attempt_count_in_the_total_only() -> None:
    assert outcome_of_parts({2: TAKEN}, total=3) == Accepted(("a",))
    assert outcome_of_parts({2: TAKEN, 3: LATER}, total=3) == PartlyAccepted(3, {2: "a"}, LATER)
    assert outcome_of_parts({2: LATER}, total=3) == LATER


@given(st.integers(1, 255).flatmap(lambda total: st.tuples(st.just(total), st.sets(st.integers(1, total)))))
def test_taken_parts_are_read_as_they_were_stored(case: tuple[int, set[int]]) -> None:
    total, numbers = case
    taken = PartsTaken(total, frozenset(numbers))
    assert PartsTaken.read(taken.bits) == taken
    assert len(taken.bits) == total
    assert set(taken.left) | numbers == set(range(1, total + 1))
    assert taken.are_all is (not taken.left)


def test_taken_parts_are_said_in_words() -> None:
    assert str(PartsTaken(3, frozenset({1, 3}))) == "2 of 3 parts went out"
