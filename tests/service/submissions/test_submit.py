"""A submission is accepted as a whole or not at all, and charged once."""

import asyncio
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.errors import FaultKind, Invalid, InvalidSubmission, NotEnoughCredit
from dispatcher.domain.messages.submission import Submission, WithoutCredit
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.service.submissions.submit import submit
from tests.world import NUMBER, NUMBERS, World

HOUR = timedelta(hours=1)


async def _kept(world: World) -> int:
    return len(await world.all("SELECT 1 FROM batches")) + len(await world.all("SELECT 1 FROM messages"))


def test_a_submission_keeps_the_order_the_written_numbers_and_the_charge(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(["0712345678", "+254712345679", "0712345678"], text="é" * 200)
        assert [m.number_as_given for m in batch.messages] == ["0712345678", "+254712345679", "0712345678"]
        assert [m.id for m in batch.messages] == sorted(m.id for m in batch.messages)
        assert (await world.row(batch.messages[0].id)).number == NUMBER
        assert batch.charged == 6
        assert await world.balance() == 9_994

    world.run(story)


def test_all_faults_are_reported_together_and_no_row_is_written(world: World) -> None:
    async def story() -> None:
        bad = Submission(recipients=["nonsense", NUMBER, "12"], text=" ", numbers=NUMBERS, sender_id=99)
        with pytest.raises(InvalidSubmission) as caught:
            await submit(world.ctx, world.caller, bad)
        assert [(f.field, f.kind, f.value) for f in caught.value.faults] == [
            ("recipients", FaultKind.NOT_A_NUMBER, "nonsense"),
            ("recipients", FaultKind.NOT_A_NUMBER, "12"),
            ("text", FaultKind.EMPTY, " "),
            ("sender_id", FaultKind.UNKNOWN_SENDER, "99"),
        ]
        assert await _kept(world) == 0

    world.run(story)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"recipients": []}, FaultKind.EMPTY),
        ({"recipients": [NUMBER] * 10_001}, FaultKind.TOO_MANY),
        ({"text": "x" * 2000}, FaultKind.TOO_LONG),
        ({"text": "a\x00b"}, FaultKind.NOT_TEXT),
        ({"text": "a\ud800b"}, FaultKind.NOT_TEXT),
        ({"sender_id": 4711}, FaultKind.UNKNOWN_SENDER),
    ],
)
def test_a_bad_submission_is_refused_with_its_fault_and_leaves_no_rows(
    world: World, change: dict[str, object], kind: FaultKind
) -> None:
    async def story() -> None:
        fields: dict[str, object] = {"recipients": [NUMBER], "text": "Hello", "numbers": NUMBERS} | change
        with pytest.raises(InvalidSubmission) as caught:
            await submit(world.ctx, world.caller, Submission(**fields))  # type: ignore[arg-type]
        assert [f.kind for f in caught.value.faults] == [kind]
        assert await _kept(world) == 0

    world.run(story)


def test_a_window_that_is_over_or_empty_is_refused(world: World) -> None:
    async def story() -> None:
        for after, until in ((None, -HOUR), (2 * HOUR, HOUR), (HOUR, HOUR)):
            with pytest.raises(InvalidSubmission):
                await world.submit(after=after, until=until)
        assert await _kept(world) == 0

    world.run(story)


def test_without_credit_a_submission_is_refused_as_a_whole(world: World) -> None:
    async def story() -> None:
        with pytest.raises(NotEnoughCredit):
            await world.submit([NUMBER] * 11)
        assert await _kept(world) == 0
        assert await world.balance() == 10

    world.run(story, credits=10)


def test_without_credit_messages_are_refused_as_25_uncharged_if_the_dialect_wants_it(world: World) -> None:
    async def story() -> None:
        wanted = Submission([NUMBER] * 11, "Hi", NUMBERS, without_credit=WithoutCredit.KEEP)
        batch = await submit(world.ctx, world.caller, wanted)
        assert {m.status for m in batch.messages} == {25}
        assert (batch.charged, await world.balance(), world.lanes.take()) == (0, 10, [])

    world.run(story, credits=10)


def test_fifty_clients_spend_an_account_to_exactly_zero(world: World) -> None:
    async def story() -> None:
        async def spend() -> int:
            try:
                return (await world.submit([NUMBER] * 3)).charged
            except NotEnoughCredit:
                return 0

        charged = await asyncio.gather(*(spend() for _ in range(50)))
        assert sum(charged) == 99
        assert await world.balance() == 1

    world.run(story, credits=100)


def test_an_account_without_a_sender_has_its_rows_refused_as_23(world: World) -> None:
    async def story() -> None:
        await world.all("DELETE FROM senders")
        batch = await world.submit()
        assert (batch.messages[0].status, batch.charged) == (23, 0)

    world.run(story)


def test_a_country_that_no_provider_serves_is_refused_as_28(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="t", options={}, countries=frozenset({"FR"}))

    async def story() -> None:
        batch = await world.submit([NUMBER, "+33612345678"])
        assert [m.status for m in batch.messages] == [28, 11]
        assert await world.balance() == 9_999

    world.run(story)


@pytest.mark.parametrize(
    ("tier", "validity"),
    [
        (Tier.CRITICAL, timedelta(minutes=10)),
        (Tier.STANDARD, timedelta(hours=24)),
        (Tier.BULK, timedelta(hours=72)),
    ],
)
def test_a_window_ends_after_the_validity_of_the_tier_or_of_the_account(
    world: World, tier: Tier, validity: timedelta
) -> None:
    async def story() -> None:
        [message] = (await world.submit(tier=tier, after=HOUR)).messages
        row = await world.row(message.id)
        assert row.not_after - row.not_before == validity
        await world.all(f"UPDATE accounts SET {tier}_validity = '7 minutes'")
        [message] = (await world.submit(tier=tier)).messages
        row = await world.row(message.id)
        assert row.not_after - row.not_before == timedelta(minutes=7)

    world.run(story)


def test_more_than_200_recipients_without_a_tier_are_bulk(world: World) -> None:
    async def story() -> None:
        for count, tier in ((200, Tier.STANDARD), (201, Tier.BULK)):
            batch = await submit(world.ctx, world.caller, Submission([NUMBER] * count, "Hi", NUMBERS))
            assert batch.tier is tier

    world.run(story)


def test_another_accounts_sender_is_unknown(world: World) -> None:
    async def story() -> None:
        other = await world.another_account("other")
        wanted = Submission([NUMBER], "Hi", NUMBERS, sender_id=world.sender_id)
        with pytest.raises(InvalidSubmission):
            await submit(world.ctx, other, wanted)

    world.run(story)


def test_the_stop_mention_is_counted(world: World) -> None:
    async def story() -> None:
        wanted = Submission([NUMBER], "x" * 150, NumberPolicy(), stop_mention=True)
        assert (await submit(world.ctx, world.caller, wanted)).charged == 2

    world.run(story)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize("field", ["template_id", "external_id", "client_id"])
def test_an_id_that_postgres_cannot_store_is_refused(field: str, text: str) -> None:
    with pytest.raises(Invalid, match=field):
        Submission(recipients=[NUMBER], text="x", numbers=NUMBERS, **{field: text})  # type: ignore[arg-type]
