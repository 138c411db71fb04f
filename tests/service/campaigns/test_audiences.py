"""Audiences: the recipients of a file, each number once, in file order, and the rejected lines."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import AudienceState
from dispatcher.domain.campaigns.csv_recipients import SEPARATORS
from dispatcher.domain.errors import AlreadyExists, Conflict, Invalid, NotFound
from dispatcher.service.accounts import accounts
from dispatcher.service.campaigns import audiences
from dispatcher.service.campaigns.audiences import Audience, Reject
from dispatcher.service.campaigns.recipient_file import CHUNK_ROWS, ImportProgress, RecipientFile
from dispatcher.service.yielding import yielding
from dispatcher.store.campaigns import audiences as store
from dispatcher.store.campaigns.audiences import Recipient
from tests.world import World

ADA, BOB, EVE = "+254712345678", "+254712345679", "+254712345680"


def file(*lines: str, **options: str) -> RecipientFile:
    return RecipientFile(["\n".join(lines).encode()], **options)


def numbers(count: int) -> list[str]:
    return [f"+2547120{place:05}" for place in range(count)]


async def imported(world: World, *lines: str, name: str = "customers", **options: str) -> Audience:
    return await audiences.import_file(world.ctx, world.caller.account, name, file(*lines, **options))


async def recipients(
    world: World, audience: Audience, *, after: int = 0, limit: int = 100
) -> list[Recipient]:
    rows = await world.all(
        "SELECT position, number, number_as_given, country, zone, variables FROM recipients"
        " WHERE audience_id = :id AND position > :after ORDER BY position LIMIT :limit",
        id=audience.id,
        after=after,
        limit=limit,
    )
    return [Recipient._make(cast("Iterable[Any]", row)) for row in rows]


async def rejected(world: World, audience: Audience) -> list[Reject]:
    return [reject async for reject in audiences.rejects(world.ctx, audience)]


async def left(world: World) -> tuple[int, int, int]:
    """Return the numbers of audiences, recipients and rejects."""
    row = await world.one(
        "SELECT (SELECT count(*) FROM audiences) AS a, (SELECT count(*) FROM recipients) AS r,"
        " (SELECT count(*) FROM rejects) AS j"
    )
    return row.a, row.r, row.j


CAMPAIGN = text("""
INSERT INTO campaigns
    (public_id, account_id, name, state, audience_id, text, sender_id, tier, timezone, first_at)
VALUES (gen_random_uuid(), :account, 'spring', 'draft', :audience, 'Hello', :sender, 'bulk', 'UTC', now())
""")


async def put_into_campaign(connection: AsyncConnection, world: World, audience: Audience) -> None:
    values = {"account": world.caller.account.id, "audience": audience.id, "sender": world.sender_id}
    await connection.execute(CAMPAIGN, values)


def test_an_audience_has_each_number_once_in_file_order(world: World) -> None:
    async def story() -> None:
        made = await imported(
            world,
            "Number;Name;City",
            f"{BOB};Bob;Nairobi",
            "0712 345 678;Ada;Kisumu",
            "+254712345679;Bobby;Nairobi",
            "+33612345678;Eve;Paris",
        )
        assert made.state is AudienceState.READY
        assert (made.columns, made.rows, made.recipients, made.rejects) == (["Name", "City"], 4, 3, 1)
        assert await recipients(world, made) == [
            Recipient(1, BOB, BOB, "KE", 0, {"Name": "Bob", "City": "Nairobi"}),
            Recipient(2, ADA, "0712 345 678", "KE", 0, {"Name": "Ada", "City": "Kisumu"}),
            Recipient(3, "+33612345678", "+33612345678", "FR", 1, {"Name": "Eve", "City": "Paris"}),
        ]
        assert await rejected(world, made) == [
            Reject(4, "same number as line 2", ["+254712345679", "Bobby", "Nairobi"])
        ]
        assert await audiences.find(world.ctx, world.caller.account, "customers") == made
        assert await audiences.find(world.ctx, world.caller.account, str(made.public_id)) == made

    world.run(story)


def test_each_rejected_line_has_its_reason(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to,name", "twelve,Ada", ADA + ",Ada", ",Bob", BOB + ",x,y", "+1,Eve")
        assert [(one.line, one.fields) for one in await rejected(world, made)] == [
            (2, ["twelve", "Ada"]),
            (4, ["", "Bob"]),
            (5, [BOB, "x", "y"]),
            (6, ["+1", "Eve"]),
        ]
        reasons = [one.reason for one in await rejected(world, made)]
        assert reasons == [
            "The phone number 'twelve' must be digits, with a + before a country code",
            'has no number in column "to"',
            "has 3 fields, the header has 2",
            "The phone number '+1' is invalid",
        ]

    world.run(story)


def test_a_row_with_a_nul_character_is_one_reject_among_the_others(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to,name", ADA + ",A\0da", BOB + ",Bob")
        assert made.recipients == 1
        [reject] = await rejected(world, made)
        assert (reject.line, reject.fields) == (2, [ADA, "A\ufffdda"])

    world.run(story)


def test_a_file_of_rejects_has_whole_rows_in_the_format_of_its_file(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to;=name;;", f'{ADA};"A;d\n""a""";;', "twelve;=1;;", ADA + ";Ada")
        lines = [line async for line in audiences.reject_file(world.ctx, made)]
        assert lines[0] == "reject_line;reject_reason;to;'=name;;\r\n"
        assert lines[1].endswith(";twelve;'=1;;\r\n")
        assert lines[2] == f"5;same number as line 2;'{ADA};Ada;;\r\n"

    world.run(story)


def test_the_file_of_rejects_of_an_earlier_version_has_what_was_kept(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to", ADA, "twelve")
        await world.all("UPDATE audiences SET file_columns = '{}', separator = '' RETURNING 1")
        await world.all("UPDATE rejects SET raw = 'a,b' RETURNING 1")
        older = await audiences.find(world.ctx, world.caller.account, str(made.public_id))
        lines = [line async for line in audiences.reject_file(world.ctx, older)]
        assert lines[0] == "reject_line,reject_reason,raw\r\n"
        assert lines[1].endswith(',"a,b"\r\n')

    world.run(story)


def test_recipients_are_counted_by_the_zones_they_may_be_in(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to", ADA, "+12125550123", "+33612345678", BOB, "+79161234567")
        assert [len(group.split(",")) > 1 for group in made.zones] == [False, False, False, True]
        assert list(made.zones[:3]) == ["Africa/Nairobi", "America/New_York", "Europe/Paris"]
        assert "Europe/Moscow" in made.zones[3].split(",")
        assert made.zone_counts == [2, 1, 1, 1]
        assert [one.zone for one in await recipients(world, made)] == [0, 1, 2, 0, 3]

    world.run(story)


def test_a_number_repeated_many_chunks_later_is_rejected_and_positions_have_no_gap(world: World) -> None:
    first = numbers(CHUNK_ROWS + 100)
    lines = [*first, "nobody", *numbers(CHUNK_ROWS + 200)]

    async def story() -> None:
        reported: list[ImportProgress] = []
        made = await audiences.import_file(
            world.ctx, world.caller.account, "customers", file("to", *lines), on_progress=reported.append
        )
        found = await recipients(world, made, limit=2 * CHUNK_ROWS)
        assert [one.position for one in found] == list(range(1, CHUNK_ROWS + 201))
        assert [one.number for one in found] == numbers(CHUNK_ROWS + 200)
        unread, *repeated = await rejected(world, made)
        assert unread.line == len(first) + 2
        assert repeated == [
            Reject(len(first) + 3 + index, f"same number as line {index + 2}", [number])
            for index, number in enumerate(first)
        ]
        assert made.zone_counts == [CHUNK_ROWS + 200]
        assert [(one.rows, one.recipients, one.rejects) for one in reported] == [
            (CHUNK_ROWS, CHUNK_ROWS, 0),
            (2 * CHUNK_ROWS, CHUNK_ROWS + 100, CHUNK_ROWS - 100),
            (2 * CHUNK_ROWS + 301, CHUNK_ROWS + 200, CHUNK_ROWS + 101),
        ]
        assert {one.bytes for one in reported} == {len("\n".join(["to", *lines]))}
        assert await recipients(world, made, after=20, limit=3) == found[20:23]

    world.run(story)


def test_national_numbers_are_of_the_given_country_or_else_of_the_accounts(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to", "06 12 34 56 78", country="FR")
        assert [one.number for one in await recipients(world, made)] == ["+33612345678"]
        nowhere = await accounts.create(world.ctx, "nowhere")
        with pytest.raises(Invalid, match="line 2: The phone number '0612345678' is invalid"):
            await audiences.import_file(world.ctx, nowhere, "customers", file("to", "0612345678"))
        with pytest.raises(Invalid, match="'kenya' is not a country"):
            await imported(world, "to", ADA, name="others", country="kenya")

    world.run(story)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_the_format_of_a_file_can_be_given(world: World, separator: str) -> None:
    async def story() -> None:
        header, line = separator.join(("tel", "fax, city")), separator.join((ADA, "Ž"))
        source = RecipientFile(
            [f"{header}\n{line}".replace("fax, city", '"fax, city"').encode("cp1250")],
            column="tel",
            encoding="windows-1250",
            separator=separator,
        )
        made = await audiences.import_file(world.ctx, world.caller.account, "customers", source)
        [one] = await recipients(world, made)
        assert one.variables == {"fax, city": "Ž"}

    world.run(story)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\0b", "x" * 101, "b7c1ad58-2b8e-4f0c-9d51-2f4d1f8c1f10"])
def test_an_invalid_name_is_refused(world: World, name: str) -> None:
    async def story() -> None:
        with pytest.raises(Invalid):
            await imported(world, "to", ADA, name=name)
        assert await left(world) == (0, 0, 0)

    world.run(story)


def test_a_ready_audience_keeps_its_name_and_never_changes(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to", ADA)
        with pytest.raises(AlreadyExists, match="customers"):
            await imported(world, "to", BOB)
        assert [one.number for one in await recipients(world, made)] == [ADA]
        other = await world.another_account("other")
        await audiences.import_file(world.ctx, other.account, "customers", file("to", BOB))
        assert (await audiences.find(world.ctx, world.caller.account, "customers")).id == made.id

    world.run(story)


def test_a_file_that_cannot_be_read_at_all_changes_nothing(world: World) -> None:
    async def story() -> None:
        with pytest.raises(Invalid, match="no column is known to contain the numbers"):
            await imported(world, "name", "Ada")
        assert await left(world) == (0, 0, 0)

    world.run(story)


def test_an_audience_without_a_recipient_does_not_become_ready_and_says_why(world: World) -> None:
    async def story() -> None:
        with pytest.raises(Invalid, match="no recipient; line 2: The phone number 'Ada' must be digits"):
            await imported(world, "to,name", "Ada," + ADA)
        found = await audiences.find(world.ctx, world.caller.account, "customers")
        assert (found.state, found.rejects) == (AudienceState.IMPORTING, 1)
        with pytest.raises(Invalid, match="no recipient, and no line below its header"):
            await imported(world, "to,name")
        assert (await imported(world, "name,to", "Ada," + ADA)).state is AudienceState.READY
        assert await left(world) == (1, 1, 0)

    world.run(story)


class Torn(Exception):
    """Raised by a file that ends in the middle."""


def torn(*lines: str) -> Iterator[bytes]:
    yield "\n".join(lines).encode()
    raise Torn


def test_an_interrupted_import_blocks_no_name_and_leaves_nothing_behind(
    world: World,
) -> None:
    lines = ["to", "nobody", *numbers(20 * CHUNK_ROWS)]

    async def story() -> None:
        with pytest.raises(Torn):
            await audiences.import_file(
                world.ctx, world.caller.account, "customers", RecipientFile(torn(*lines))
            )
        found = await audiences.find(world.ctx, world.caller.account, "customers")
        assert found.state is AudienceState.IMPORTING
        assert (found.recipients > CHUNK_ROWS, found.rejects) == (True, 1)
        made = await imported(world, "to", BOB)
        assert made.id != found.id
        assert [one.number for one in await recipients(world, made)] == [BOB]
        assert await left(world) == (1, 1, 0)

    world.run(story)


def test_an_import_that_is_replaced_while_it_runs_ends_and_adds_nothing(world: World) -> None:
    async def story() -> None:
        first = asyncio.Event()
        going = asyncio.Event()
        loop = asyncio.get_running_loop()

        def chunks() -> Iterator[bytes]:
            yield "\n".join(["to", *numbers(10 * CHUNK_ROWS)]).encode()
            loop.call_soon_threadsafe(first.set)
            asyncio.run_coroutine_threadsafe(going.wait(), loop).result()
            yield b"\n" + ADA.encode()

        slow = asyncio.create_task(
            audiences.import_file(world.ctx, world.caller.account, "customers", RecipientFile(chunks()))
        )
        await first.wait()
        made = await imported(world, "to", BOB)
        going.set()
        with pytest.raises(Conflict, match="'customers' was removed or replaced during this import"):
            await slow
        assert [one.number for one in await recipients(world, made)] == [BOB]
        assert await left(world) == (1, 1, 0)

    world.run(story)


def test_a_removed_audience_is_gone_with_all_its_rows(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to", *numbers(20), "nobody", *numbers(9))
        await imported(world, "to", ADA, name="others")
        await audiences.remove(world.ctx, world.caller.account, str(made.public_id))
        assert await left(world) == (1, 1, 0)
        with pytest.raises(NotFound, match="no audience 'customers'"):
            await audiences.remove(world.ctx, world.caller.account, "customers")

    world.run(story)


def test_an_audience_of_a_campaign_cannot_be_removed(world: World) -> None:
    async def story() -> None:
        made = await imported(world, "to", ADA)
        await world.ctx.database.transact(lambda c: put_into_campaign(c, world, made))
        with pytest.raises(Conflict, match="campaign 'spring' uses the audience 'customers'"):
            await audiences.remove(world.ctx, world.caller.account, "customers")
        assert (
            await audiences.find(world.ctx, world.caller.account, "customers")
        ).state is AudienceState.READY
        assert await left(world) == (1, 1, 0)

    world.run(story)


def test_a_locked_audience_cannot_be_removed_until_its_campaign_is_written(
    world: World,
) -> None:
    async def story() -> None:
        made = await imported(world, "to", ADA)
        removing: list[asyncio.Task[None]] = []

        async def campaign(connection: AsyncConnection) -> None:
            assert await store.lock_shared(connection, world.caller.account.id, made.public_id)
            removing.append(
                asyncio.create_task(audiences.remove(world.ctx, world.caller.account, "customers"))
            )
            while not (await world.one("SELECT count(*) AS n FROM pg_locks WHERE NOT granted")).n:  # noqa: ASYNC110 - Postgres tells it only when asked
                await asyncio.sleep(0)
            await put_into_campaign(connection, world, made)

        await world.ctx.database.transact(campaign)
        with pytest.raises(Conflict, match="spring"):
            await removing[0]

    world.run(story)


def test_audiences_are_listed_the_oldest_first(world: World) -> None:
    async def story() -> None:
        made = [await imported(world, "to", ADA, name=name) for name in ("c", "a", "b")]
        account = world.caller.account
        assert await audiences.page(world.ctx, account, limit=2) == made[:2]
        assert await audiences.page(world.ctx, account, after=made[1].id) == made[2:]
        assert await audiences.page(world.ctx, (await world.another_account("other")).account) == []

    world.run(story)


def test_other_tasks_run_while_numbers_are_checked(world: World) -> None:
    async def story() -> None:
        ticks = 0
        done = False

        async def tick() -> None:
            nonlocal ticks
            while not done:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        async for _ in yielding(_slow(100)):
            pass
        done = True
        await ticking
        assert ticks > 20

    world.run(story)


def _slow(count: int) -> Iterable[int]:
    """Yield items that take about a millisecond of computing each."""
    for item in range(count):
        sum(range(50_000))
        yield item
