"""The text of a running campaign: after an edit no recipient gets an older one, and each is counted once."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Outgoing, ProviderConfig, Traffic
from dispatcher.domain.errors import Conflict, Invalid, InvalidFields, NotEnoughCredit
from dispatcher.domain.messages.edit import Cancel, Change, EditReport, NewText, Reschedule, Selection
from dispatcher.domain.messages.edit_rules import NO_CHANGE
from dispatcher.domain.messages.status import Place, Status
from dispatcher.service.accounts import accounts, opt_outs
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.edits import edit
from dispatcher.service.campaigns.launch import launch
from dispatcher.service.submissions import templates
from dispatcher.settings import Settings
from dispatcher.store.delivery import claims
from tests.audience import audience, kenyan
from tests.campaign import bound, draft, send_all, started
from tests.world import World

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LONG = "x" * 161


async def new_text(world: World, text: str, *, dry_run: bool = False, **selected: Any) -> EditReport:
    selected = selected or {"campaign": "spring"}
    return await edit(world.ctx, Selection(world.caller.account, **selected), NewText(text), dry_run=dry_run)


def counted(report: EditReport) -> int:
    """Return how many recipients a report counts."""
    assert sum(report.late.values()) == report.too_late
    return (
        report.changed
        + report.too_late
        + report.to_come
        + sum(report.unchanged.values())
        + sum(report.left_out.values())
    )


async def minutes(world: World, count: int, *, step: int = 1) -> None:
    for _ in range(0, count, step):
        await launch(world.ctx)
        await send_all(world)
        world.time.advance(step * MINUTE)


LARGE = pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])


@pytest.mark.parametrize("total", [500, LARGE])
def test_a_campaign_over_an_hour_is_edited_twice_paused_and_resumed(world: World, total: int) -> None:
    async def story() -> None:
        campaign = await started(world, count=total, spread=HOUR, text="one")
        sent: list[str] = []

        async def edited(text: str) -> EditReport:
            report = await new_text(world, text)
            assert counted(report) == total
            assert report.late == ({"sent": len(world.sim.seen)} if world.sim.seen else {})
            sent[:] = [outgoing.text for outgoing in world.sim.seen]
            return report

        await minutes(world, 10)
        first = await edited("two")
        assert 0.08 * total < first.changed < 0.1 * total < first.to_come
        await minutes(world, 10)
        assert {o.text for o in world.sim.seen[len(sent) :]} == {"two"}
        await bound(world, campaign, campaigns.pause)
        second = await edited("three")
        assert second.changed + second.to_come == total - len(sent)
        world.time.advance(HOUR)
        await bound(world, campaign, campaigns.resume)
        await minutes(world, 50)
        assert {o.text for o in world.sim.seen[len(sent) :]} == {"three"}
        assert len({o.to for o in world.sim.seen}) == len(world.sim.seen) == total
        assert await world.balance() == 10_000 - total

    world.run(story)


class Fire:
    """Three processes that expand and send a campaign, which is edited meanwhile."""

    def __init__(self, world: World, total: int) -> None:
        self.world = world
        self.total = total
        self.edits: list[tuple[int, int, EditReport]] = []

    @property
    def is_over(self) -> bool:
        return len(self.world.sim.seen) >= self.total

    async def expand_and_send(self) -> None:
        world = self.world
        async with world.worker() as worker:
            while not self.is_over:
                await launch(world.ctx)
                await world.clock.release()
                await world.clock.fill()
                ids = world.lanes.take()
                await asyncio.gather(*(worker.deliver(ids[at : at + 50]) for at in range(0, len(ids), 50)))
                world.time.advance(timedelta(seconds=10))

    async def edit_again_and_again(self) -> None:
        number = 0
        while not self.is_over:
            number += 1
            report = await new_text(self.world, f"text {number}")
            self.edits.append((number, len(self.world.sim.seen), report))
            await asyncio.sleep(0.05)  # the processes go on


@pytest.mark.parametrize("total", [1000])
def test_under_fire_no_message_is_claimed_with_an_older_text_after_the_answer(
    world: World, total: int
) -> None:
    world.configs["sim"] = ProviderConfig("sim", "t", {}, tps=50_000, takes=Traffic.BOTH)

    async def story() -> None:
        await started(world, count=total, text="text 0", spread=HOUR)

        async def answer(outgoing: Outgoing) -> Outcome:
            await asyncio.sleep(0.005)
            return Accepted((f"ref-{outgoing.reference}",))

        world.sim.answer = answer
        fire = Fire(world, total)
        async with asyncio.timeout(100):
            await asyncio.gather(*(fire.expand_and_send() for _ in range(3)), fire.edit_again_and_again())
        assert len([report for *_, report in fire.edits if report.changed and report.to_come]) > 5
        for number, answered, report in fire.edits:
            assert counted(report) == total
            older = [o for o in world.sim.seen[answered:] if int(o.text.split()[1]) < number]
            assert len(older) <= report.late.get("being sent", 0)
        rows = {str(r.public_id): r.text for r in await world.all("SELECT public_id, text FROM messages")}
        assert {o.reference: o.text for o in world.sim.seen} == rows
        assert len({o.to for o in world.sim.seen}) == len(world.sim.seen) == total

    world.run(story)


def test_an_expansion_that_has_read_the_old_text_ends_before_the_edit_is_answered(world: World) -> None:
    async def story() -> None:
        await started(world, count=100, text="one")
        async with asyncio.timeout(20), world.ctx.database._engine.begin() as expanding:
            await launch_start(world)
            await lock_run(expanding)
            editing = asyncio.create_task(new_text(world, "two"))
            await until_blocked(world)
            assert not editing.done()
        report = await editing
        assert (report.to_come, counted(report)) == (100, 100)
        await launch(world.ctx)
        assert {r.text for r in await world.all("SELECT text FROM messages")} == {"two"}

    world.run(story)


async def launch_start(world: World) -> None:
    """Start the due run without expanding it."""
    await world.all("UPDATE accounts SET paused_at = now()")
    await launch(world.ctx)
    await world.all("UPDATE accounts SET paused_at = NULL")


async def lock_run(connection: AsyncConnection) -> None:
    await connection.execute(text("SELECT 1 FROM runs FOR UPDATE"))


async def until_blocked(world: World) -> None:
    while not await world.all("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_of_two_edits_at_once_the_later_one_wins_everywhere(world: World) -> None:
    async def story() -> None:
        await started(world, count=5000, text="zero")
        while await launch(world.ctx):
            pass
        results = await asyncio.gather(new_text(world, "one"), new_text(world, "two"), return_exceptions=True)
        texts = {row.text for row in await world.all("SELECT DISTINCT text FROM messages")}
        assert texts == {(await world.one("SELECT text FROM campaigns")).text}
        assert all(isinstance(result, EditReport | Conflict) for result in results)
        assert any(isinstance(result, EditReport) for result in results)

    world.run(story)


def test_a_message_that_a_worker_holds_is_too_late_and_gets_the_text_if_it_comes_back(world: World) -> None:
    async def story() -> None:
        await started(world, count=3, text="one")
        reports: list[EditReport] = []
        calls = count()

        async def answer(outgoing: Outgoing) -> Outcome:
            if next(calls) == 0:
                reports.append(await new_text(world, "two"))
            return Deferred("busy") if outgoing.text == "one" else Accepted((outgoing.reference,))

        world.sim.answer = answer
        await launch(world.ctx)
        await send_all(world)
        [report] = reports
        assert counted(report) == 3
        assert report.late["being sent"] >= 1
        world.time.advance(timedelta(milliseconds=500))
        await launch(world.ctx)
        assert {r.text for r in await world.all("SELECT text FROM messages")} == {"two"}
        assert (await world.one("SELECT late_messages FROM runs")).late_messages == []
        for _ in range(5):
            world.time.advance(MINUTE)
            await send_all(world)
        assert Counter(o.text for o in world.sim.seen)["two"] == 3

    world.run(story)


def test_each_recipients_values_fill_the_new_text(world: World) -> None:
    async def story() -> None:
        listed = await audience(world, 3, variables={"name": "Ada", "town": "Kisumu"})
        await started(world, audience_id=listed, text="Hi {{name}}", spread=HOUR)
        await launch(world.ctx)
        report = await new_text(world, "Dear {{name}} of {{town}}")
        assert (report.changed, report.to_come) == (1, 2)
        await minutes(world, 63, step=3)
        assert {o.text for o in world.sim.seen} == {"Dear Ada of Kisumu"}

    world.run(story)


@pytest.mark.parametrize("text", ["Hi {{nick}}", "a\0b", LONG * 20])
def test_a_text_that_the_audience_cannot_fill_or_nobody_can_send_changes_nothing(
    world: World, text: str
) -> None:
    async def story() -> None:
        listed = await audience(world, 3, variables={"name": "Ada"})
        await started(world, audience_id=listed, text="Hi {{name}}")
        await launch(world.ctx)
        for selected in ({"campaign": "spring"}, {"batch": 1}):
            with pytest.raises(InvalidFields) as caught:
                await new_text(world, text, **selected)
            assert [fault.field for fault in caught.value.faults] == ["text"]
        assert {r.text for r in await world.all("SELECT text FROM messages")} == {"Hi Ada"}
        assert (await world.one("SELECT text FROM campaigns")).text == "Hi {{name}}"

    world.run(story)


def test_a_recipient_who_cannot_have_the_new_text_gets_none_and_is_refunded(settings: Settings) -> None:
    world = World(settings.model_copy(update={"max_segments": 1}))

    async def story() -> None:
        short = await audience(world, kenyan(2), variables={"name": "Ada"})
        await world.all(
            'UPDATE recipients SET variables = \'{"name": "' + "x" * 100 + "\"}' WHERE position = 2"
        )
        await started(world, audience_id=short, text="Hi {{name}}")
        await launch(world.ctx)
        report = await new_text(world, "x" * 80 + "{{name}}")
        assert (report.changed, report.refunded, counted(report)) == (1, 1, 2)
        assert report.left_out == {"its text would have more than 1 segments": 1}
        await send_all(world)
        assert [o.text for o in world.sim.seen] == ["x" * 80 + "Ada"]
        [gone] = await world.all("SELECT status, reason FROM messages WHERE place IS NULL AND status = 90")
        assert "its campaign's new text cannot be sent to it" in gone.reason
        assert await world.balance() == 10_000 - 1

    world.run(story)


def test_the_price_follows_the_segments_of_the_new_text(world: World) -> None:
    async def story() -> None:
        await started(world, count=100, spread=HOUR, text="one")
        await launch(world.ctx)
        report = await new_text(world, LONG)
        assert report.charged == report.changed > 0
        run = await world.one("SELECT charged, messages FROM runs")
        assert run.charged == 2 * run.messages
        await minutes(world, 63, step=3)
        assert await world.balance() == 10_000 - 200
        assert (await world.one("SELECT charged FROM runs")).charged == 200

    world.run(story)


def test_a_balance_that_does_not_cover_the_new_text_leaves_all_as_it_was(world: World) -> None:
    async def story() -> None:
        await started(world, count=100, text="one")
        await launch(world.ctx)
        with pytest.raises(NotEnoughCredit, match="nothing was changed: the new text costs 100 credits more"):
            await new_text(world, LONG)
        assert {r.text for r in await world.all("SELECT text FROM messages")} == {"one"}
        assert (await world.one("SELECT text FROM campaigns")).text == "one"

    world.run(story, credits=150)


def test_a_text_that_would_exceed_the_maximum_cost_leaves_all_as_it_was(world: World) -> None:
    async def story() -> None:
        await started(world, count=100, text="one", max_cost=150)
        await launch(world.ctx)
        with pytest.raises(Invalid, match="would cost 200 credits, and the campaign's maximum is 150 a run"):
            await new_text(world, LONG)
        assert {r.text for r in await world.all("SELECT text FROM messages")} == {"one"}

    world.run(story)


def test_recipients_whom_the_maximum_cost_left_out_are_counted(world: World) -> None:
    async def story() -> None:
        await started(world, count=100, text="one", max_cost=60)
        await launch(world.ctx)
        report = await new_text(world, "two")
        assert (report.changed, counted(report)) == (60, 100)
        assert report.left_out == {"its maximum cost of 60 would have been exceeded": 40}

    world.run(story)


def test_recipients_who_opted_out_stay_out(world: World) -> None:
    async def story() -> None:
        numbers = kenyan(3)
        await opt_outs.add(world.ctx, world.caller.account, numbers[:1])
        await started(world, audience_id=await audience(world, numbers), text="one")
        await launch(world.ctx)
        await opt_outs.add(world.ctx, world.caller.account, numbers[1:2])
        report = await new_text(world, "two")
        assert (report.changed, report.late) == (2, {"opted out": 1})
        await send_all(world)
        assert [(o.to, o.text) for o in world.sim.seen] == [(numbers[2], "two")]

    world.run(story)


def test_the_same_text_again_changes_nothing_and_costs_nothing(world: World) -> None:
    async def story() -> None:
        await started(world, count=10, spread=HOUR, text="one")
        await launch(world.ctx)
        first = await new_text(world, LONG)
        again = await new_text(world, LONG)
        assert again.unchanged == {NO_CHANGE: first.changed}
        assert (again.changed, again.charged, again.to_come) == (0, 0, first.to_come)

    world.run(story)


def test_a_dry_run_counts_and_changes_nothing(world: World) -> None:
    async def story() -> None:
        await started(world, count=100, spread=HOUR, text="one")
        await minutes(world, 5)
        counts = await new_text(world, "two", dry_run=True)
        assert (await world.one("SELECT text FROM campaigns")).text == "one"
        assert await world.all("SELECT 1 FROM messages WHERE text <> 'one'") == []
        assert await new_text(world, "two") == counts

    world.run(story)


@pytest.mark.parametrize("which", ["number", "public id", "run's batch", "batch's public id"])
def test_every_name_of_a_campaign_and_the_batch_of_its_run_is_the_campaigns_text(
    world: World, which: str
) -> None:
    async def story() -> None:
        campaign = await started(world, count=100, spread=HOUR, text="one")
        await launch(world.ctx)
        batch = await world.one("SELECT id, public_id FROM batches")
        selected: dict[str, Any] = {
            "number": {"campaign": str(campaign.id)},
            "public id": {"campaign": str(campaign.public_id)},
            "run's batch": {"batch": batch.id},
            "batch's public id": {"batch": batch.public_id},
        }[which]
        report = await new_text(world, "two", **selected)
        assert report.changed > 0
        assert counted(report) == report.changed + report.to_come == 100
        await minutes(world, 63, step=3)
        assert {o.text for o in world.sim.seen} == {"two"}

    world.run(story)


def test_an_edit_of_a_part_of_a_campaign_says_how_many_recipients_it_does_not_reach(world: World) -> None:
    async def story() -> None:
        await started(world, count=100, spread=HOUR, text="one")
        await launch(world.ctx)
        waiting = len(await world.all("SELECT 1 FROM messages"))
        account = world.caller.account
        edits: list[tuple[Selection, Change]] = [
            (Selection(account, campaign="spring", number=kenyan(1)[0]), NewText("two")),
            (Selection(account, campaign="spring"), Reschedule(shift=HOUR)),
            (Selection(account, batch=1), Cancel()),
        ]
        for selection, change in edits:
            assert (await edit(world.ctx, selection, change, dry_run=True)).not_reached == 100 - waiting
        assert (await world.one("SELECT text FROM campaigns")).text == "one"

    world.run(story)


def test_runs_to_come_have_the_new_text(world: World) -> None:
    async def story() -> None:
        await started(world, count=2, text="one", cron="0 * * * *", validity=HOUR / 2)
        report = await new_text(world, "two")
        assert (report.to_come, report.next_run) == (2, (await world.one("SELECT * FROM campaigns")).next_due)
        world.time.at = report.next_run or world.time.at
        await launch(world.ctx)
        await send_all(world)
        world.time.advance(10 * MINUTE)
        report = await new_text(world, "three")
        assert (report.late, counted(report)) == ({"sent": 2}, 2) or report.to_come == 2
        world.time.at = report.next_run or world.time.at
        await launch(world.ctx)
        await send_all(world)
        assert [o.text for o in world.sim.seen] == ["two", "two", "three", "three"]

    world.run(story)


def test_two_open_runs_are_counted_and_changed_together(world: World) -> None:
    async def story() -> None:
        await started(world, count=120, text="one", cron="0 * * * *", spread=2 * HOUR, validity=3 * HOUR)
        world.time.at = (await world.one("SELECT next_due FROM campaigns")).next_due
        await minutes(world, 70, step=5)
        report = await new_text(world, "two")
        assert counted(report) == 240
        seen = len(world.sim.seen)
        await minutes(world, 40, step=5)
        assert {o.text for o in world.sim.seen[seen:]} == {"two"}

    world.run(story)


def test_a_draft_and_a_campaign_that_has_not_run_yet_get_the_text_for_everybody(world: World) -> None:
    async def story() -> None:
        made = await templates.create(world.ctx, world.caller.account, "t", "one")
        campaign = await draft(world, template_id=made.public_id, text="")
        assert await new_text(world, "two") == EditReport(to_come=3)
        row = await world.one("SELECT text, template_id FROM campaigns")
        assert (row.text, row.template_id) == ("two", None)
        started_row = await bound(world, campaign, campaigns.start)
        assert await new_text(world, "three") == EditReport(to_come=3, next_run=started_row.next_due)

    world.run(story)


@pytest.mark.parametrize("end", ["finish", "cancell"])
def test_the_text_of_a_campaign_that_has_ended_cannot_be_changed(world: World, end: str) -> None:
    async def story() -> None:
        campaign = await started(world)
        if end == "cancell":
            await bound(world, campaign, campaigns.cancel)
        else:
            await launch(world.ctx)
            await send_all(world)
            await launch(world.ctx)
        with pytest.raises(Conflict, match=f"campaign 'spring' is {end}ed"):
            await new_text(world, "two")

    world.run(story)


def test_credits_that_are_spent_during_the_edit_pause_the_campaign(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        campaign = await started(world, count=2500, text="one")
        while await launch(world.ctx):
            pass

        async def spend() -> None:
            while not await world.all("SELECT 1 FROM messages WHERE text <> 'one' LIMIT 1"):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await world.all("UPDATE accounts SET balance = 0")

        spending = asyncio.create_task(spend())
        with pytest.raises(NotEnoughCredit, match="the campaign was paused"):
            await new_text(world, LONG)
        await spending
        assert (await world.one("SELECT state FROM campaigns")).state == "paused"
        await send_all(world)
        assert world.sim.seen == []
        await accounts.top_up(world.ctx, world.caller.account, 5000)
        assert counted(await new_text(world, LONG)) == 2500
        await bound(world, campaign, campaigns.resume)
        await launch(world.ctx)
        await send_all(world)
        assert {o.text for o in world.sim.seen} == {LONG}

    world.run(story, credits=6000)


def test_a_claim_of_a_message_that_was_read_before_the_edit_is_refused(world: World) -> None:
    async def story() -> None:
        await started(world, count=1, text="one")
        await launch(world.ctx)
        await world.clock.release()
        await world.clock.fill()
        [stale] = await world.ctx.database.single(lambda c: claims.read(c, world.lanes.take()))
        assert (await new_text(world, "two")).changed == 1
        assert (await world.row(stale.id)).place == Place.READY
        version = claims.MessageVersion(stale.id, stale.seq)
        end = world.time.now() + MINUTE
        assert not await world.ctx.database.single(
            lambda c: claims.claim(c, [version], provider="sim", now=world.time.now(), lease_end=end)
        )
        assert (await world.row(stale.id)).status == Status.PENDING

    world.run(story)
