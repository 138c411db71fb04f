"""Edits of waiting messages: each is counted once and charged exactly."""

from datetime import timedelta
from typing import Any

import pytest

from dispatcher.domain.delivery.provider import Deferred
from dispatcher.domain.errors import Invalid, InvalidSubmission, NotEnoughCredit, NotFound
from dispatcher.domain.messages.edit import (
    Cancel,
    Change,
    EditReport,
    NewText,
    Reschedule,
    Selection,
    TimeRange,
)
from dispatcher.domain.messages.edit_rules import EMPTY_WINDOW, NO_CHANGE, TOO_FAR, WINDOW_OVER
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.window import MAX_AHEAD
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.messages import search, withdraw
from dispatcher.service.messages.edits import edit
from dispatcher.service.messages.explain import explain
from tests.world import NUMBER, World

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NUMBERS = [f"+2547123456{n:02}" for n in range(3)]
LONG = "x" * 161


async def change(world: World, what: Change, *, dry_run: bool = False, **selected: Any) -> EditReport:
    return await edit(world.ctx, Selection(world.caller.account, **selected), what, dry_run=dry_run)


async def campaign(world: World, variables: dict[str, str]) -> int:
    """Create a campaign run whose recipients have a variable `name`, and return its batch."""
    batch = await world.submit(NUMBERS, after=HOUR, text="Hi")
    account_id = world.caller.account.id
    audience = await world.one(
        "INSERT INTO audiences (public_id, account_id, name, state, columns)"
        " VALUES (gen_random_uuid(), :id, 'all', 'ready', '{number,name}') RETURNING id",
        id=account_id,
    )
    for position, (number, name) in enumerate(variables.items(), 1):
        await world.all(
            "INSERT INTO recipients VALUES (:audience, :position, 1, :number, :number, 'KE', 0,"
            " jsonb_build_object('name', CAST(:name AS text)))",
            audience=audience.id, position=position, number=number, name=name,
        )  # fmt: skip
    made = await world.one(
        "INSERT INTO campaigns (public_id, account_id, name, state, audience_id, text, sender_id, tier,"
        " timezone, first_at) VALUES (gen_random_uuid(), :id, 'spring', 'active', :audience, 'Hi', :sender,"
        " 'standard', 'UTC', now()) RETURNING id",
        id=account_id, audience=audience.id, sender=world.sender_id,
    )  # fmt: skip
    run = await world.one(
        "INSERT INTO runs (campaign_id, due_at, starts_at, state, zone_ranks, zone_positions, total)"
        " VALUES (:id, now(), now(), 'sending', '{0}', '{0}', 3) RETURNING id",
        id=made.id,
    )
    await world.all("UPDATE batches SET run_id = :run WHERE id = :id", run=run.id, id=batch.id)
    await world.all("UPDATE messages SET flow = :run WHERE batch_id = :id", run=run.id, id=batch.id)
    return batch.id


def test_an_operators_cancellation_has_its_reason_and_refunds_the_credits(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(NUMBERS, text=LONG, after=HOUR)
        assert await change(world, Cancel(), batch=batch.id) == EditReport(changed=3, refunded=6)
        row = await world.row(batch.messages[0].id)
        assert (row.status, row.place, row.wake_at) == (Status.WITHDRAWN, None, None)
        assert (await world.events(row.id))[-1] == (Status.WITHDRAWN, "cancelled by an operator")
        assert await world.balance() == 10_000
        assert await change(world, Cancel(), batch=batch.id) == EditReport(too_late=3, late={"withdrawn": 3})
        assert await world.balance() == 10_000

    world.run(story)


def test_a_callers_withdrawal_has_its_reason(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(after=HOUR)
        assert await withdraw.batch(world.ctx, world.caller, batch.id) == 1
        assert (await world.events(batch.messages[0].id))[-1] == (90, "withdrawn by the caller")

    world.run(story)


def test_an_edit_is_too_late_for_messages_that_are_or_may_have_been_sent(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(NUMBERS)
        going, out, doubtful = [message.id for message in batch.messages]
        await world.deliver([out])
        await world.claim(going)
        await world.all("UPDATE messages SET doubts = 1 WHERE id = :id", id=doubtful)
        late = EditReport(too_late=3, late={"being sent": 1, "sent": 1, "in doubt": 1})
        assert await change(world, Cancel(), batch=batch.id) == late
        assert await change(world, NewText("Bye"), batch=batch.id) == late
        assert (await change(world, Reschedule(shift=HOUR), batch=batch.id)).too_late == 2
        assert {row.text for row in await world.all("SELECT text FROM messages")} == {"Hello"}

    world.run(story)


@pytest.mark.parametrize(
    "what",
    [Cancel(), NewText("{{name}}"), NewText(LONG), Reschedule(shift=HOUR)],
    ids=["cancel", "", "text", "time"],
)
def test_a_dry_run_counts_the_same_and_changes_nothing(world: World, what: Change) -> None:
    async def story() -> None:
        batch = await world.submit(NUMBERS, after=HOUR)
        before = await world.all("SELECT * FROM messages ORDER BY id")
        results = await change(world, what, batch=batch.id, dry_run=True)
        assert await world.all("SELECT * FROM messages ORDER BY id") == before
        assert await world.balance() == 10_000 - 3
        assert world.lanes.wakes == [world.time.now() + HOUR]  # the submission's
        assert await change(world, what, batch=batch.id) == results

    world.run(story)


def test_a_filter_selects_open_messages_that_match_all_its_fields(world: World) -> None:
    async def story() -> None:
        account, now = world.caller.account, world.time.now()
        await accounts.add_sender(world.ctx, account, "NEWS")
        other = await world.another_account("bank")
        await world.submit(caller=other, after=HOUR)
        bulk = await world.submit(NUMBERS, tier=Tier.BULK, after=HOUR)
        news = await world.submit(NUMBERS[:1], after=2 * HOUR, sender_name="NEWS")
        await world.submit(NUMBERS[1:2])
        await world.deliver()
        world.time.advance(MINUTE)
        due = await world.submit(NUMBERS[1:2])
        counts: list[tuple[dict[str, Any], int]] = [
            ({"tier": Tier.BULK}, 3),
            ({"tier": Tier.CRITICAL}, 0),
            ({"sender": "NEWS"}, 1),
            ({"number": "0712345600"}, 2),
            ({"number": NUMBERS[1]}, 2),
            ({"statuses": frozenset({Status.PENDING})}, 1),
            ({"statuses": frozenset({Status.SCHEDULED})}, 4),
            ({"due": TimeRange(now + HOUR, now + 2 * HOUR)}, 3),
            ({"due": TimeRange(now + 2 * HOUR)}, 1),
            ({"created": TimeRange(end=now + MINUTE)}, 4),
            ({"created": TimeRange(now + MINUTE)}, 1),
            ({"number": NUMBERS[0], "tier": Tier.BULK}, 1),
            ({"message": due.messages[0].public_id}, 1),
            ({"batch": bulk.public_id}, 3),
            ({"batch": bulk.id, "number": NUMBERS[0]}, 1),
            ({"everything": True}, 5),
        ]
        for selected, count in counts:
            assert await change(world, Cancel(), dry_run=True, **selected) == EditReport(
                changed=count, refunded=count
            ), selected
        assert (await change(world, Cancel(), sender="NEWS")).changed == 1
        assert (await world.row(news.messages[0].id)).status == Status.WITHDRAWN
        left = await world.one("SELECT count(*) AS n FROM messages WHERE place IS NOT NULL")
        assert left.n == 5

    world.run(story)


def test_a_selection_stays_inside_its_account(world: World) -> None:
    async def story() -> None:
        bank = await world.another_account("bank")
        batch = await world.submit(caller=bank, after=HOUR)
        for selected, said in [
            ({"message": batch.messages[0].id}, "account 'shop' has no message"),
            ({"batch": batch.public_id}, "account 'shop' has no batch"),
            ({"message": 999}, "there is no message 999"),
            ({"sender": "BANK"}, "account 'shop' has no sender 'BANK'"),
            ({"campaign": "spring"}, "account 'shop' has no campaign 'spring'"),
        ]:
            with pytest.raises(NotFound, match=said):
                await change(world, Cancel(), **selected)  # type: ignore[arg-type]
        assert (await world.row(batch.messages[0].id)).status == Status.SCHEDULED

    world.run(story)


@pytest.mark.parametrize(
    "selected", [{"everything": True}, {"number": NUMBER}, {"tier": Tier.STANDARD}], ids=str
)
def test_a_selection_by_what_accounts_share_stays_inside_its_account(
    world: World, selected: dict[str, Any]
) -> None:
    async def story() -> None:
        [other] = (await world.submit(caller=await world.another_account("bank"), after=HOUR)).messages
        [own] = (await world.submit(after=HOUR)).messages
        assert (await change(world, Cancel(), **selected)).changed == 1
        statuses = [(await world.row(message.id)).status for message in (own, other)]
        assert statuses == [Status.WITHDRAWN, Status.SCHEDULED]

    world.run(story)


def test_a_selection_of_everything_must_be_explicit(world: World) -> None:
    async def story() -> None:
        account = world.caller.account
        with pytest.raises(Invalid, match="all messages of 'shop'"):
            Selection(account)
        with pytest.raises(Invalid, match="use only one of them"):
            Selection(account, everything=True, tier=Tier.BULK)
        with pytest.raises(Invalid, match="scheduled and pending"):
            Selection(account, statuses=frozenset({Status.SENT}))
        with pytest.raises(Invalid, match="phone number"):
            await change(world, Cancel(), number="twelve")

    world.run(story)


def test_a_scheduled_message_waits_for_its_new_time(world: World) -> None:
    async def story() -> None:
        message = (await world.submit(after=2 * HOUR)).messages[0].id
        soon = world.time.now() + HOUR
        assert await change(world, Reschedule(not_before=soon), message=message) == EditReport(changed=1)
        row = await world.row(message)
        assert (row.status, row.place, row.not_before, row.wake_at) == (10, Place.HELD, soon, soon)
        assert world.lanes.wakes[-1] == soon
        [_, (status, reason)] = await world.events(message)
        assert status == Status.SCHEDULED
        assert (
            reason == f"rescheduled to {soon:%Y-%m-%d %H:%M:%S} until {row.not_after:%Y-%m-%d %H:%M:%S} UTC"
        )
        world.time.advance(HOUR)
        assert await world.clock.release() == 1
        await world.clock.fill()
        await world.deliver()
        assert len(world.sim.seen) == 1

    world.run(story)


def test_a_start_that_has_passed_means_now(world: World) -> None:
    async def story() -> None:
        message = (await world.submit(after=HOUR)).messages[0].id
        now = world.time.now()
        await change(world, Reschedule(not_before=now - HOUR), message=message)
        assert (await world.row(message)).not_before == now
        assert world.lanes.wakes[-1] == now
        assert await world.clock.release() == 1

    world.run(story)


@pytest.mark.parametrize("tier", Tier)
def test_a_due_message_waits_for_a_later_time_as_11(world: World, tier: Tier) -> None:
    async def story() -> None:
        message = (await world.submit(tier=tier)).messages[0].id
        later = world.time.now() + 5 * MINUTE
        both = Reschedule(not_before=later, not_after=later + HOUR)
        assert await change(world, both, message=message) == EditReport(changed=1)
        await world.deliver()
        row = await world.row(message)
        assert (row.status, row.place, row.wake_at) == (Status.PENDING, Place.HELD, later)
        history = await search.history(world.ctx, message)
        assert explain(history, now=world.time.now(), consumed=None)[0].startswith(
            "It waits for its new time"
        )
        assert world.sim.seen == []
        world.time.advance(5 * MINUTE)
        await world.clock.release()
        await world.clock.fill()
        await world.deliver()
        assert len(world.sim.seen) == 1

    world.run(story)


def test_a_later_end_keeps_the_time_of_a_retry_and_an_earlier_end_cuts_it(world: World) -> None:
    async def story() -> None:
        message = (await world.submit(until=2 * HOUR)).messages[0].id
        world.sim.always(Deferred("busy", after=HOUR))
        await world.deliver()
        retry = (await world.row(message)).wake_at
        now = world.time.now()
        await change(world, Reschedule(not_after=now + 4 * HOUR), message=message)
        assert (await world.row(message)).wake_at == retry
        await change(world, Reschedule(not_after=now + MINUTE), message=message)
        assert (await world.row(message)).wake_at == now + MINUTE
        assert (await world.row(message)).status == Status.PENDING

    world.run(story)


def test_a_retry_may_be_brought_forward(world: World) -> None:
    async def story() -> None:
        message = (await world.submit(until=2 * HOUR)).messages[0].id
        world.sim.always(Deferred("busy", after=HOUR))
        await world.deliver()
        world.time.advance(MINUTE)
        await change(world, Reschedule(not_before=world.time.now()), message=message)
        assert (await world.row(message)).place == Place.READY

    world.run(story)


def test_a_rescheduled_message_loses_its_closing_time(world: World) -> None:
    async def story() -> None:
        message = (await world.submit(after=HOUR)).messages[0].id
        await world.all("UPDATE messages SET closes_at = now() + interval '2 hours'")
        await change(world, Reschedule(shift=HOUR), message=message)
        assert (await world.row(message)).closes_at is None

    world.run(story)


def test_an_end_that_does_not_fit_every_message_changes_none(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(NUMBERS, after=HOUR, until=2 * HOUR)
        await world.submit(after=HOUR, until=5 * HOUR)
        now = world.time.now()
        for wrong in (
            Reschedule(not_before=now + 3 * HOUR),
            Reschedule(not_after=now + HOUR),
            Reschedule(not_after=now),
            Reschedule(not_before=now + MAX_AHEAD + HOUR),
            Reschedule(not_before=now + MAX_AHEAD + HOUR, not_after=now + 2 * MAX_AHEAD),
        ):
            with pytest.raises(Invalid):
                await change(world, wrong, everything=True)
        with pytest.raises(Invalid, match=f"of 3 messages {EMPTY_WINDOW}; give both ends, or a shift"):
            await change(world, Reschedule(not_before=now + 3 * HOUR), everything=True)
        assert {row.seq for row in await world.all("SELECT seq FROM messages")} == {1}
        assert (
            await change(world, Reschedule(not_before=now, not_after=now + HOUR), batch=batch.id)
        ).changed == 3

    world.run(story)


def test_a_shift_moves_each_window_and_skips_those_it_does_not_fit(world: World) -> None:
    async def story() -> None:
        soon = (await world.submit(after=HOUR, until=2 * HOUR)).messages[0].id
        later = (await world.submit(after=5 * HOUR, until=7 * HOUR)).messages[0].id
        now = world.time.now()
        back = await change(world, Reschedule(shift=-3 * HOUR), everything=True)
        assert back == EditReport(changed=1, unchanged={WINDOW_OVER: 1})
        row = await world.row(later)
        assert (row.not_before, row.not_after) == (now + 2 * HOUR, now + 4 * HOUR)
        assert (await world.row(soon)).not_before == now + HOUR
        far = await change(world, Reschedule(shift=MAX_AHEAD), everything=True)
        assert far == EditReport(unchanged={TOO_FAR: 2})

    world.run(story)


def test_the_same_window_or_text_again_changes_nothing(world: World) -> None:
    async def story() -> None:
        message = (await world.submit(after=HOUR)).messages[0].id
        row = await world.row(message)
        for same in (Reschedule(not_before=row.not_before), NewText(row.text)):
            assert await change(world, same, message=message) == EditReport(unchanged={NO_CHANGE: 1})
        assert (await world.row(message)).seq == 1

    world.run(story)


def test_a_new_text_costs_or_refunds_the_difference_and_is_refunded_in_full(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(NUMBERS, after=HOUR)
        assert await change(world, NewText(LONG), batch=batch.id) == EditReport(changed=3, charged=3)
        assert await world.balance() == 10_000 - 6
        row = await world.row(batch.messages[0].id)
        assert (row.text, row.segments, row.charged) == (LONG, 2, 2)
        assert (await world.events(row.id))[-1] == (Status.SCHEDULED, "its text was changed")
        assert await change(world, NewText("Bye"), message=row.id) == EditReport(changed=1, charged=-1)
        assert await world.balance() == 10_000 - 5
        entries = await accounts.statement(world.ctx, world.caller.account)
        assert [(e.kind, e.amount, e.batch_id) for e in entries[:2]] == [
            ("adjust", 1, batch.id), ("adjust", -3, batch.id),
        ]  # fmt: skip
        assert await change(world, Cancel(), batch=batch.id) == EditReport(changed=3, refunded=5)
        assert await world.balance() == 10_000

    world.run(story)


def test_a_new_text_that_the_balance_does_not_cover_is_not_applied(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(NUMBERS, after=HOUR)
        with pytest.raises(NotEnoughCredit, match="0 messages have it"):
            await change(world, NewText(LONG), batch=batch.id)
        assert {row.text for row in await world.all("SELECT text FROM messages")} == {"Hello"}
        assert await world.balance() == 2
        await change(world, NewText(LONG), batch=batch.id, number=NUMBERS[0])
        assert await world.balance() == 1

    world.run(story, credits=5)


def test_a_free_message_stays_free(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(after=HOUR)
        await world.all("UPDATE messages SET charged = 0")
        assert await change(world, NewText(LONG), batch=batch.id) == EditReport(changed=1)

    world.run(story)


@pytest.mark.parametrize("text", ["a\0b", "{{name}}\0", "x" * 5000])
def test_a_text_that_cannot_be_sent_changes_none(world: World, text: str) -> None:
    async def story() -> None:
        batch = await world.submit(after=HOUR)
        with pytest.raises(InvalidSubmission, match="text"):
            await change(world, NewText(text), batch=batch.id)
        with pytest.raises(Invalid, match="needs a text"):
            NewText(" ")

    world.run(story)


def test_a_campaigns_text_is_filled_in_for_each_recipient(world: World) -> None:
    async def story() -> None:
        batch_id = await campaign(world, {NUMBERS[0]: "Ada", NUMBERS[1]: LONG})
        await world.submit(NUMBER, after=HOUR)
        results = await change(world, NewText("Dear {{name}}"), campaign="spring")
        assert results == EditReport(changed=2, unchanged={"no value for name": 1}, charged=1)
        rows = await world.all(
            "SELECT text, segments, charged FROM messages WHERE batch_id = :id ORDER BY id", id=batch_id
        )
        assert [(row.text, row.segments, row.charged) for row in rows] == [
            ("Dear Ada", 1, 1),
            (f"Dear {LONG}", 2, 2),
            ("Hi", 1, 1),
        ]
        assert await world.balance() == 10_000 - 5

    world.run(story)


def test_a_text_with_variables_skips_messages_without_variables(world: World) -> None:
    async def story() -> None:
        batch = await world.submit(after=HOUR)
        results = await change(world, NewText("Dear {{name}}"), batch=batch.id)
        assert results == EditReport(unchanged={"no value for name": 1})

    world.run(story)


def test_a_campaign_selects_its_runs_that_are_not_over(world: World) -> None:
    async def story() -> None:
        await campaign(world, {})
        assert (await change(world, Cancel(), campaign="spring", dry_run=True)).changed == 3
        await world.all("UPDATE runs SET state = 'finished', finished_at = now()")
        assert await change(world, Cancel(), campaign="spring") == EditReport()

    world.run(story)
