"""Messages over the management API: search, explanation, cancellation."""

from datetime import timedelta

import pytest

from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from tests.api.client import Body
from tests.api.manage.client import NUMBERS, ManagementClient, ids, run_with_api
from tests.world import NUMBER, World

HOUR = timedelta(hours=1)


def test_messages_of_all_accounts_and_dialects_come_the_newest_first_page_by_page(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        bank = await world.another_account("bank")
        made = [m.id for m in (await world.submit(NUMBERS)).messages]
        made += [m.id for m in (await world.submit(NUMBERS, caller=bank)).messages]
        newest = made[::-1]
        assert ids(await api.pages("/messages", limit=4)) == [newest[:4], newest[4:]]
        assert ids(await api.pages("/messages", limit=3)) == [newest[:3], newest[3:]]
        assert ids(await api.pages("/messages", account="bank")) == [newest[:3]]

    run_with_api(world, story)


@pytest.mark.parametrize("number", [NUMBER, "254712345678", " 254712345678", "+254 712-345-678"])
def test_a_number_is_found_however_it_is_written_and_over_pages(world: World, number: str) -> None:
    async def story(api: ManagementClient) -> None:
        made = [(await world.submit([NUMBER, NUMBERS[1]])).messages[0].id for _ in range(3)]
        pages = await api.pages("/messages", number=number, limit=2)
        assert ids(pages) == [[made[2], made[1]], [made[0]]]

    run_with_api(world, story)


def test_a_national_number_is_found_where_the_account_has_a_country(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = (await world.submit()).messages[0].id
        assert ids(await api.pages("/messages", number="0712345678", account="shop")) == [[made]]
        await api.refused("GET", "/messages", 400, params={"number": "0712345678"})

    run_with_api(world, story)


def test_every_filter_narrows_the_search(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        early = world.time.now()
        first = (await world.submit()).messages[0].id
        world.time.advance(HOUR)
        later = (await world.submit(tier=Tier.BULK, after=HOUR)).messages[0].id
        at = (early + HOUR).isoformat()
        searches: list[tuple[Body, list[int]]] = [
            ({"status": "pending"}, [first]),
            ({"status": ["pending", "scheduled"]}, [later, first]),
            ({"status": "gave_up"}, []),
            ({"tier": "bulk"}, [later]),
            ({"since": at}, [later]),
            ({"until": at}, [first]),
            ({"since": at, "until": at}, []),
            ({"number": NUMBER, "tier": "standard"}, [first]),
            ({"number": NUMBER, "status": "scheduled", "since": at}, [later]),
        ]
        for query, found in searches:
            assert ids(await api.pages("/messages", **query)) == [found], query

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"number": "abc"}, 400),
        ({"status": "delivered"}, 400),
        ({"status": "13"}, 400),
        ({"tier": "urgent"}, 400),
        ({"since": "2026-01-01T00:00:00"}, 400),
        ({"until": "9999-12-31T23:59:59-14:00"}, 400),
        ({"since": "0001-01-01T00:00:00+14:00"}, 400),
        ({"text": "maybe"}, 400),
        ({"cursor": "x"}, 400),
        ({"account": "nobody"}, 404),
    ],
)
def test_an_invalid_search_is_refused(world: World, query: dict[str, str], status: int) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused("GET", "/messages", status, params=query)

    run_with_api(world, story)


def test_the_text_is_shown_only_if_requested(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = (await world.submit(text="Your code is 4711")).messages[0]
        for path in ("/messages", f"/messages/{made.id}"):
            quiet = await api.http.get(f"/manage/v1{path}")
            assert "4711" not in quiet.text
        assert (await api.get("/messages", text=True))["items"][0]["text"] == "Your code is 4711"
        story = await api.get(f"/messages/{made.id}", text=True)
        assert story["message"]["text"] == "Your code is 4711"

    run_with_api(world, story)


def test_a_message_is_shown_with_its_history_and_its_explanation(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = (await world.submit(client_id="order-7")).messages[0]
        await world.deliver()
        result = await api.get(f"/messages/{made.public_id}")
        assert result == await api.get(f"/messages/{made.id}")
        message = result["message"]
        assert (message["status"], message["code"], message["place"]) == ("sent", 12, None)
        assert (message["account"], message["dialect"], message["sender"]) == ("shop", "test", "SHOP")
        assert (message["number"], message["client_id"], message["text"]) == (NUMBER, "order-7", None)
        events = [(e["seq"], e["status"], e["code"], e["provider"]) for e in result["events"]]
        assert events == [(1, "pending", 11, None), (3, "sent", 12, "sim")]
        assert result["explanation"][0].startswith("sim has it; no receipt has come yet")

    run_with_api(world, story)


@pytest.mark.parametrize("name", ["99", "x", "-1", "9" * 30, "26ffdcde-4260-4866-a288-52d04ef512d8", "%00"])
@pytest.mark.parametrize(("method", "below"), [("GET", ""), ("POST", "/cancel")])
def test_an_unknown_message_is_404(world: World, name: str, method: str, below: str) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused(method, f"/messages/{name}{below}", 404)

    run_with_api(world, story)


def test_a_message_is_cancelled_once_and_refunded(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        made = (await world.submit(after=HOUR)).messages[0]
        assert await api.post(f"/messages/{made.id}/cancel") == {"cancelled": 1}
        assert await api.post(f"/messages/{made.id}/cancel") == {"cancelled": 0}
        assert (await world.row(made.id)).status == Status.WITHDRAWN
        assert await world.balance() == 10_000

    run_with_api(world, story)


def test_it_is_too_late_for_a_message_that_is_sent_or_being_sent(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        going = (await world.submit()).messages[0]
        await world.claim(going.id)
        assert await api.post(f"/messages/{going.id}/cancel") == {"cancelled": 0}
        world.lanes.take()
        out = (await world.submit()).messages[0]
        await world.deliver()
        assert await api.post(f"/messages/{out.public_id}/cancel") == {"cancelled": 0}
        assert await world.balance() == 9_998

    run_with_api(world, story)
