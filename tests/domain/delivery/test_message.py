"""A message as the delivery path sees it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from dispatcher.domain.delivery.message import DueMessage
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MESSAGE = DueMessage(
    id=1, public_id=UUID(int=1), seq=1, account_id=1, tier=Tier.BULK, number="+254712345678", country="KE",
    sender="SHOP", sender_usable=True, text="x" * 400, segments=3,
    window=Window(NOW, NOW + timedelta(hours=1)), attempt=0, deferrals=0, doubts=0, provider="sim",
)  # fmt: skip
BEGUN = replace(MESSAGE, parts_taken=PartsTaken(3, frozenset({1, 3})))


def test_messages_that_follow_each_other_have_different_part_references() -> None:
    for last in (1, 10_000, 2**40):
        messages = [replace(MESSAGE, id=last + n) for n in range(250)]
        references = {message.outgoing(1).part_reference for message in messages}
        assert len(references) == 250
        assert references <= set(range(256))


def test_the_part_reference_is_the_same_in_every_attempt() -> None:
    assert len({replace(MESSAGE, attempt=n).outgoing(n).part_reference for n in range(1, 9)}) == 1


def test_lists_of_round_lengths_do_not_repeat_a_part_reference() -> None:
    for length in (100, 256, 500, 512, 1000, 1024, 5000, 10_000, 50_000, 100_000, 1_000_000):
        again = replace(MESSAGE, id=MESSAGE.id + length)
        assert MESSAGE.outgoing(1).part_reference != again.outgoing(1).part_reference


def test_an_attempt_costs_the_segments_that_it_sends() -> None:
    assert MESSAGE.segments_left == 3
    assert BEGUN.segments_left == 1
    assert replace(BEGUN, segments=1).segments_left == 1


def test_only_a_message_that_is_out_in_part_is_bound_to_its_provider() -> None:
    assert MESSAGE.only_provider is None
    assert BEGUN.only_provider == "sim"
