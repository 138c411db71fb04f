"""What the demo counts as a fault, on which its exit code depends."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dispatcher.cli.commands.demo.findings import DemoResult, SandboxArrival, faults, median_and_p99
from dispatcher.cli.commands.demo.groups import GROUPS, DemoGroup, SubmitVia, numbers
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service.messages.search import Event, History
from dispatcher.service.submissions.submit import BULK_ABOVE
from tests.message_view import a_view

NOW = datetime(2026, 1, 1, tzinfo=UTC)
END = NOW + timedelta(hours=1)
DELIVERED = DemoGroup("delivered", 1, Tier.STANDARD, SubmitVia.HTTP, Status.RECEIVED)


def followed(
    status: Status,
    group: DemoGroup = DELIVERED,
    *,
    at: Sequence[datetime] = (NOW,),
    accepted: int = 1,
    reason: str = "accepted",
) -> DemoResult:
    message = a_view(
        NOW,
        tier=group.tier,
        status=status,
        place=None,
        not_before=NOW,
        not_after=END,
        attempt=1,
        provider="sandbox",
        reason=reason,
    )
    event = Event(1, NOW, status, "sandbox", 1, reason)
    return DemoResult(group, History(message, [event]), SandboxArrival(at, accepted) if at else None)


def test_a_message_that_ended_as_it_should_has_no_fault() -> None:
    assert faults([followed(Status.RECEIVED)]) == []


def test_a_message_that_ended_otherwise_is_a_fault() -> None:
    [fault] = faults([followed(Status.FAILED)])
    assert fault == "message 7 (delivered) ended as 38, not as 13: accepted"


def test_a_second_copy_is_a_fault_except_in_doubt() -> None:
    doubtful = DemoGroup("in doubt", 1, Tier.STANDARD, SubmitVia.HTTP, Status.RECEIVED, doubtful=True)
    assert faults([followed(Status.RECEIVED, doubtful, at=(NOW, NOW), accepted=2)]) == []
    [fault] = faults([followed(Status.RECEIVED, at=(NOW, NOW), accepted=2)])
    assert "accepted by the network 2 times" in fault


def test_a_submit_outside_its_window_is_a_fault() -> None:
    assert faults([followed(Status.RECEIVED, at=(END - timedelta(seconds=1),))]) == []
    for outside in (NOW - timedelta(seconds=1), END + timedelta(seconds=1)):
        [fault] = faults([followed(Status.RECEIVED, at=(outside,))])
        assert "outside its window" in fault


def test_a_message_with_a_sent_status_must_be_in_the_network() -> None:
    [fault] = faults([followed(Status.RECEIVED, at=())])
    assert "the network does not have it" in fault


def test_a_missing_receipt_must_have_an_event() -> None:
    silent = DemoGroup("silent", 1, Tier.STANDARD, SubmitVia.HTTP, Status.SENT, silent=True)
    assert faults([followed(Status.SENT, silent, reason="no_receipt")]) == []
    [fault] = faults([followed(Status.SENT, silent)])
    assert "no event" in fault


def test_messages_that_only_the_network_has_are_a_fault() -> None:
    assert faults([], unknown=2) == ["the network has 2 messages that were never submitted"]


def test_the_p99_of_few_values_is_the_largest() -> None:
    assert median_and_p99([3, 1, 2]) == (2, 3)
    assert median_and_p99([]) == (0, 0)


def test_each_group_can_be_submitted_with_its_tier() -> None:
    for group in GROUPS:
        if group.via is SubmitVia.HTTP:  # the dialect has no tiers: the number of recipients decides
            assert (group.tier is Tier.BULK) is (group.size > BULK_ABOVE), group.name
            assert group.tier is not Tier.CRITICAL
            assert group.window is None


def test_ordinary_numbers_are_used_only_once() -> None:
    used = [number for group in GROUPS if group.special is None for number in numbers(group)]
    assert len(used) == len(set(used))
