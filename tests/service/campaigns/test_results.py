"""The results of a campaign: a line for each recipient in each run, whatever became of it."""

import csv
import io
from datetime import timedelta

import pytest

from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.service.accounts import opt_outs
from dispatcher.service.campaigns import audiences, campaigns
from dispatcher.service.campaigns.campaigns import CampaignRow
from dispatcher.service.campaigns.launch import launch
from dispatcher.service.campaigns.recipient_file import RecipientFile
from dispatcher.service.campaigns.results import COLUMNS, result_file
from tests.audience import audience
from tests.campaign import bound, send_all, started
from tests.world import World

ADA, BOB, EVE = "+254712345678", "+254712345679", "+254712345680"


async def results(world: World, campaign: CampaignRow, separator: str = ",") -> list[dict[str, str]]:
    found = await campaigns.find(world.ctx, world.caller.account, str(campaign.public_id))
    text = "".join([line async for line in result_file(world.ctx, found)])
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


async def run(world: World) -> None:
    await launch(world.ctx)
    await send_all(world)
    await launch(world.ctx)


async def start(world: World, *rows: str, text: str = "Hi {{name}}", **more: object) -> CampaignRow:
    file = RecipientFile(["\n".join(rows).encode()])
    made = await audiences.import_file(world.ctx, world.caller.account, "customers", file)
    plan = CampaignPlan("spring", str(made.public_id), text, at=world.time.now(), **more)  # type: ignore[arg-type]
    draft = await campaigns.create(world.ctx, world.caller.account, plan)
    return await campaigns.start(world.ctx, world.caller.account, str(draft.public_id))


def test_each_recipient_has_what_became_of_it_when_its_segments_and_price(world: World) -> None:
    async def story() -> None:
        await opt_outs.add(world.ctx, world.caller.account, [BOB])
        campaign = await start(
            world,
            "phone;name;status",
            f"0712 345 678;=Ada;gold{'x' * 100}",
            f"{BOB};Bob;",
            f"{EVE};{{{{x}}}};",
            text="Hi {{name}} {{status}} " + "y" * 60,
            timezone="Africa/Nairobi",
        )
        await run(world)
        ada, bob, eve = await results(world, campaign, ";")
        assert list(ada) == [*COLUMNS, "name", "status (file)"]
        row = await world.one("SELECT public_id, moved_at FROM messages WHERE number = :n", n=ADA)
        assert ada == {
            "run": ada["run"],
            "number": f"'{ADA}",
            "as_written": "0712 345 678",
            "status": "sent",
            "code": "12",
            "reason": ada["reason"],
            "at": ada["at"],
            "segments": "2",
            "credits": "2",
            "provider": "sim",
            "message": str(row.public_id),
            "name": "'=Ada",
            "status (file)": "gold" + "x" * 100,
        }
        assert ada["at"].endswith("+03:00")
        assert (bob["code"], bob["status"], bob["credits"]) == ("26", "opted out", "0")
        assert (eve["code"], eve["credits"]) == ("22", "0")
        assert "'{{x}}'; write {{name}}" in eve["reason"]

    world.run(story)


@pytest.mark.parametrize("start_of_cell", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "'=", "＝"])
def test_no_cell_of_a_file_of_results_is_a_formula_whoever_wrote_it(world: World, start_of_cell: str) -> None:
    cell = f"{start_of_cell}HYPERLINK(1)"

    async def story() -> None:
        header = f'"phone","{cell.translate({10: 32, 13: 32})}a","name"'
        campaign = await start(
            world, header, f'{ADA},"{cell}","{cell}"', text="Hi", timezone="Africa/Nairobi"
        )
        await run(world)
        await world.all("UPDATE messages SET reason = :r, provider = :r RETURNING id", r=cell)
        found = await campaigns.find(world.ctx, world.caller.account, str(campaign.public_id))
        lines = "".join([line async for line in result_file(world.ctx, found)])
        cells = [c for row in csv.reader(io.StringIO(lines, newline="")) for c in row]
        assert sum("HYPERLINK" in c for c in cells) == 5  # a name and two values, the reason, the provider
        assert [c for c in cells if c.lstrip(" ").startswith(tuple("=+-@＝\t\r\n"))] == []

    world.run(story)


def test_recipients_without_a_message_are_there_with_the_reason(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=5, max_cost=2)
        await run(world)
        found = await results(world, campaign)
        assert [row["status"] for row in found] == ["sent"] * 2 + ["not sent"] * 3
        assert {row["reason"] for row in found[2:]} == {"its maximum cost of 2 would have been exceeded"}
        assert sorted(row["number"] for row in found) == [f"'+2547{n:08}" for n in range(5)]

    world.run(story)


def test_recipients_whose_turn_has_not_come_are_not_sent_yet(world: World) -> None:
    async def story() -> None:
        zones = ("Africa/Nairobi", "Europe/Paris")
        to = await audience(world, 2500, zones=zones)
        campaign = await started(world, audience_id=to, spread=timedelta(hours=1))
        await launch(world.ctx)
        found = await results(world, campaign)
        assert len({row["number"] for row in found}) == len(found) == 2500
        waiting = [row for row in found if row["status"] == "not yet"]
        made = await world.one("SELECT count(*) AS n FROM messages")
        assert len(waiting) == 2500 - made.n > 0
        await bound(world, campaign, campaigns.cancel)
        assert {row["status"] for row in await results(world, campaign)} == {"withdrawn", "not sent"}

    world.run(story)


def test_each_run_has_its_own_results_and_a_draft_has_none(world: World) -> None:
    async def story() -> None:
        campaign = await started(world, count=2, cron="* * * * *")
        assert await results(world, campaign) == []
        for _ in range(2):
            world.time.advance(timedelta(minutes=1))
            await run(world)
        found = await results(world, campaign)
        runs = await world.all("SELECT 1 FROM runs")
        assert len(found) == 2 * len(runs)
        assert len({row["run"] for row in found}) == len(runs) > 1
        assert [row["run"] for row in found] == sorted(row["run"] for row in found)

    world.run(story)
