"""Audiences over the management API: a file in a body of any size, its rejects as a download."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from dispatcher.service.accounts import opt_outs
from dispatcher.service.submissions import templates
from tests.api.client import Body
from tests.api.manage.client import NUMBERS, PREFIX, SHOP, ManagementClient, assert_problem, run_with_api
from tests.api.server import running_api
from tests.world import World

AUDIENCES = f"{SHOP}/audiences"


def sheet(*lines: str) -> bytes:
    return "\n".join(lines).encode()


async def post(api: ManagementClient, body: bytes, status: int = 201, **query: Any) -> Body:
    return await api.request("POST", AUDIENCES, status, content=body, params=query)


def test_a_file_becomes_an_audience(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        body = sheet("to,name", f"{NUMBERS[0]},Ada", "twelve,Bob", "0712345679,Eve")
        response = await api.http.post(PREFIX + AUDIENCES, content=body, params={"audience": "customers"})
        assert response.status_code == 201
        made = response.json()
        assert made.pop("texts") is None
        assert (made["encoding"], made["separator"]) == ("utf-8", ",")
        assert made["name"] == "customers"
        assert (made["state"], made["columns"]) == ("ready", ["name"])
        assert (made["rows"], made["recipients"], made["rejects"]) == (3, 2, 1)
        assert made["zones"] == {"Africa/Nairobi": 2}
        assert response.headers["location"] == f"{PREFIX}{AUDIENCES}/{made['id']}"
        for name in ("customers", made["id"]):
            assert await api.get(f"{AUDIENCES}/{name}") == made
        assert await api.pages(AUDIENCES) == [[made]]

    run_with_api(world, story)


def test_lists_are_paged(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        for name in ("c", "a", "b"):
            await post(api, sheet("to", NUMBERS[0]), audience=name)
        pages = await api.pages(AUDIENCES, limit=2)
        assert [[one["name"] for one in page] for page in pages] == [["c", "a"], ["b"]]

    run_with_api(world, story)


def test_how_to_read_the_file_is_said_in_the_query(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        body = "tel;prénom\n06 12 34 56 78;Zoë\n".encode("cp1252")
        how: dict[str, Any] = {"country": "FR", "column": "tel", "encoding": "windows-1252", "separator": ";"}
        assert (await post(api, body, audience="french", **how))["columns"] == ["prénom"]
        for wrong in ({"country": "kenya"}, {"column": "phone"}, {"encoding": "no"}, {"separator": "x"}):
            await api.refused(
                "POST", AUDIENCES, 400, content=body, params={**how, **wrong, "audience": "other"}
            )
        assert len((await api.get(AUDIENCES))["items"]) == 1

    run_with_api(world, story)


def test_rejects_are_downloaded_as_a_csv_file(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await post(
            api,
            sheet("to,name", f"{NUMBERS[0]},Ada", '"a ""b"" c",Bob', NUMBERS[0] + ","),
            audience="été 1",
        )
        response = await api.http.get(f"{PREFIX}{AUDIENCES}/été 1/rejects")
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.headers["content-disposition"] == (
            "attachment; filename*=UTF-8''%C3%A9t%C3%A9%201-rejects.csv"
        )
        header, first, second = csv.reader(io.StringIO(response.text.removeprefix("\ufeff")))
        assert header == ["reject_line", "reject_reason", "to", "name"]
        assert (first[0], *first[2:]) == ("3", 'a "b" c', "Bob")
        assert second == ["4", "same number as line 2", f"'{NUMBERS[0]}", ""]

    run_with_api(world, story)


def test_a_body_is_read_as_it_comes_whatever_its_size(world: World) -> None:
    small = World(world.settings.model_copy(update={"bulk_body_limit": 1024}))

    async def story(api: ManagementClient) -> None:
        begun = asyncio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            yield b"to,note\n"
            for place in range(30_000):
                yield f"+2547120{place:05},{'x' * 50}\n".encode()
                if place == 20_000:
                    await _appears(api)
                    begun.set()

        made = await api.request("POST", AUDIENCES, 201, content=chunks(), params={"audience": "many"})
        assert begun.is_set()
        assert made["recipients"] == 30_000
        await api.refused("POST", f"{AUDIENCES}/many", 413, content=b"x" * 2000)

    run_with_api(small, story)


async def _appears(api: ManagementClient) -> None:
    """Wait until a file that is being read has left its first trace in the database."""
    trace = (
        "SELECT (SELECT count(*) FROM audiences)"
        " + (SELECT count(*) FROM pg_class WHERE relname = 'seen') AS n"
    )
    while not (await api.world.one(trace)).n:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["import", "dry run"])
def test_a_client_that_disconnects_during_an_import_leaves_no_ready_audience(world: World, how: str) -> None:
    async def story(api: ManagementClient) -> None:
        class Left(Exception):
            pass

        async def chunks() -> AsyncIterator[bytes]:
            yield b"to\n" + b"\n".join(f"+2547120{place:05}".encode() for place in range(20_000))
            await _appears(api)
            raise Left

        query = {"audience": "customers"} if how == "import" else {"dry_run": "true"}
        with running_api(world.settings) as url:
            async with httpx.AsyncClient(base_url=url, headers=api.http.headers) as client:
                with pytest.raises(Left):
                    await client.post(PREFIX + AUDIENCES, content=chunks(), params=query)
        states = [one["state"] for one in (await api.get(AUDIENCES))["items"]]
        assert states == (["importing"] if how == "import" else [])

    run_with_api(world, story)


def test_a_dry_run_counts_and_stores_nothing(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await opt_outs.add(world.ctx, world.caller.account, [NUMBERS[1]])
        kept = await templates.create(world.ctx, world.caller.account, "hello", "Hello {{name}}")
        body = sheet(
            "to,name",
            f"{NUMBERS[0]},Ada",
            f"{NUMBERS[1]},Bob",
            "twelve,",
            f"{NUMBERS[0]},Ada",
            "+33612345678,",
        )
        counted = await post(api, body, status=200, dry_run=True, template_id=kept.public_id, sender="SHOP")
        share = {"messages": 1, "segments": 1, "cost": 1}
        assert counted == {
            "columns": ["name"],
            "encoding": "utf-8",
            "separator": ",",
            "texts": {
                "texts": 2,
                "first": [
                    {"number": NUMBERS[0], "text": "Hello Ada", "segments": 1},
                    {"number": "+33612345678", "text": "Hello ", "segments": 1},
                ],
                "segments": {"1": 2},
                "empty": {"name": 1},
                "warnings": [],
            },
            "rows": 5,
            "valid": 3,
            "invalid": 1,
            "repeated": 1,
            "opted_out": 1,
            "unsendable": 0,
            "total": {"messages": 2, "segments": 2, "cost": 2},
            "by_country": {"KE": share, "FR": share},
        }
        for text in ("Hello {{nick}}", "Hello {{name}"):
            query = {"dry_run": True, "text": text}
            await api.refused("POST", AUDIENCES, 400, content=body, params=query)
        assert await api.pages(AUDIENCES) == [[]]

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"audience": "a/b"}, 400),
        ({"audience": "x", "text": "Hello {{nick}}"}, 400),
        ({"audience": "x", "sender": "SHOP"}, 400),
        ({"dry_run": True, "text": "Hello", "template_id": "y"}, 400),
        ({"dry_run": True, "template_id": "y"}, 404),
        ({"dry_run": True, "sender": "NOBODY"}, 404),
        ({"audience": "taken"}, 409),
    ],
)
def test_an_invalid_import_changes_nothing(world: World, query: dict[str, object], status: int) -> None:
    async def story(api: ManagementClient) -> None:
        taken = await post(api, sheet("to", NUMBERS[0]), audience="taken")
        del taken["texts"]
        await api.refused("POST", AUDIENCES, status, content=sheet("to", NUMBERS[1]), params=query)
        assert await api.pages(AUDIENCES) == [[taken]]

    run_with_api(world, story)


@pytest.mark.parametrize(
    "headers", [{"content-type": "multipart/form-data; boundary=x"}, {"content-encoding": "gzip"}]
)
def test_a_body_that_is_not_a_plain_file_is_415(world: World, headers: dict[str, str]) -> None:
    async def story(api: ManagementClient) -> None:
        response = await api.http.post(
            PREFIX + AUDIENCES, content=sheet("to", NUMBERS[0]), params={"audience": "x"}, headers=headers
        )
        assert_problem(response, 415)

    run_with_api(world, story)


def test_only_operators_have_their_file_read(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        taken = 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal taken
            for _ in range(1000):
                taken += 1
                yield b"x" * 65_536

        response = await api.http.post(
            PREFIX + AUDIENCES, content=chunks(), headers={"authorization": "Bearer none"}
        )
        assert_problem(response, 401)
        assert taken == 0

    run_with_api(world, story)


def test_an_audience_is_removed_unless_a_campaign_has_it(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        for name in ("a", "b"):
            await post(api, sheet("to", NUMBERS[0]), audience=name)
        await world.all(
            "INSERT INTO campaigns (public_id, account_id, name, state, audience_id, text, sender_id, tier,"
            " timezone, first_at) SELECT gen_random_uuid(), account_id, 'spring', 'draft', id, 'Hello',"
            " :sender, 'bulk', 'UTC', now() FROM audiences WHERE name = 'b'",
            sender=world.sender_id,
        )
        await api.request("DELETE", f"{AUDIENCES}/a", 204)
        await api.refused("DELETE", f"{AUDIENCES}/a", 404)
        assert "spring" in await api.refused("DELETE", f"{AUDIENCES}/b", 409)
        assert (await api.get(f"{AUDIENCES}/b"))["state"] == "ready"

    run_with_api(world, story)
