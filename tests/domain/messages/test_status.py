"""The table of transitions."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from dispatcher.domain.messages.status import (
    CANCELLED,
    INITIAL,
    INITIAL_PLACES,
    LATE_DELIVERY_RAISES,
    MISSED,
    OPEN,
    PLACE_TRANSITIONS,
    TRANSITIONS,
    Place,
    Status,
)

T = TypeVar("T")

DOCUMENT = (Path(__file__).parents[3] / "docs" / "status.md").read_text()
STATUSES, PLACES = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", DOCUMENT, re.DOTALL)

RANK = [Status.SCHEDULED, Status.PENDING, Status.SENT, Status.RECEIVED]


def test_codes_that_the_document_does_not_have_do_not_exist() -> None:
    assert not {int(s) for s in Status} & {*range(14, 20), *range(34, 38)}


def test_every_status_can_be_reached() -> None:
    assert set(Status) == INITIAL.union(*TRANSITIONS.values())


def test_no_transition_goes_back() -> None:
    for old, new in [(a, b) for i, b in enumerate(RANK) for a in RANK[i:]]:
        assert new not in TRANSITIONS[old], (old, new)


@pytest.mark.parametrize("final", [s for s in Status if s.is_final])
def test_a_final_status_changes_only_by_a_late_delivery(final: Status) -> None:
    assert TRANSITIONS[final] == ({Status.RECEIVED} if final in LATE_DELIVERY_RAISES else set())


def test_only_messages_that_no_provider_had_are_refunded() -> None:
    assert {s for s in Status if s.is_refunded} == CANCELLED | {Status.WITHDRAWN}
    assert not any(s.is_refunded for s in MISSED)


def test_nothing_that_was_sent_can_be_cancelled_or_withdrawn() -> None:
    assert not TRANSITIONS[Status.SENT] & (CANCELLED | {Status.WITHDRAWN})


def test_only_an_open_message_is_withdrawn() -> None:
    assert {old for old in Status if Status.WITHDRAWN in TRANSITIONS[old]} == OPEN


def test_the_diagram_of_statuses_has_the_arrows_of_the_table() -> None:
    groups = {name: _codes(codes) for codes, name in re.findall(r'state "([^"]+)" as (\w+)', STATUSES)}
    arrows = _arrows(STATUSES, lambda name: groups.get(name) or _codes(name))
    following = {(old, new) for old, new in arrows if old is not None}
    assert following == {(old, new) for old, allowed in TRANSITIONS.items() for new in allowed}
    assert {new for old, new in arrows if old is None} == INITIAL


def test_the_diagram_of_places_has_the_arrows_of_the_table() -> None:
    arrows = _arrows(PLACES, lambda name: {Place(name)})
    following = {(old, new) for old, new in arrows if old is not None}
    assert following == {(old, new) for old, allowed in PLACE_TRANSITIONS.items() for new in allowed}
    assert {new for old, new in arrows if old is None} == INITIAL_PLACES


def _arrows(diagram: str, read: Callable[[str], set[T]]) -> set[tuple[T | None, T | None]]:
    """Return the arrows of a diagram; None is its start and its end."""
    return {
        (old, new)
        for left, right in re.findall(r"(\S+) --> ([^:\s]+)", diagram)
        for old in ({None} if left == "[*]" else read(left))
        for new in ({None} if right == "[*]" else read(right))
    }


def _codes(written: str) -> set[Status]:
    """Return the codes in a text of a diagram such as `20, 26 to 29`."""
    ranges = [(first, last or first) for first, last in re.findall(r"(\d+)(?: to (\d+))?", written)]
    return {status for status in Status for first, last in ranges if int(first) <= status <= int(last)}
