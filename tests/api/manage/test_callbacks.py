"""Callbacks and lanes over the management API, and the words that producers are told in."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dispatcher.api import manage as api
from dispatcher.domain.callbacks.events import MessageEvent
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service.callbacks.sender import Signature
from tests.api.manage.client import NUMBERS, ManagementClient, ids, manage
from tests.world import World

URL = "https://shop.example/sms"


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_its_words(status: Status) -> None:
    happening = MessageEvent(
        message_id=UUID(int=7),
        batch_id="run-1",
        account_id=1,
        seq=3,
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        status=status,
        reason="why",
        number="+254712345678",
        number_as_given="0712345678",
        sender="SHOP",
        client_id="order-7",
        webhook_id=None,
        event="",
    )
    assert api.management.event_formatter is not None
    worded = api.management.event_formatter(happening)
    assert worded.signature is Signature.STANDARD_WEBHOOKS
    assert worded.body == {
        "type": f"message.{status.name.lower()}",
        "timestamp": "2026-03-01T12:00:00+00:00",
        "data": {
            "message_id": "00000000-0000-0000-0000-000000000007",
            "batch_id": "run-1",
            "number": "+254712345678",
            "status": status.name.lower(),
            "code": status.value,
            "reason": "why",
            "client_id": "order-7",
        },
    }


async def _called(world: World, account: str = "shop") -> list[int]:
    caller = world.caller if account == "shop" else await world.another_account(account)
    batch = await world.submit(NUMBERS, callback_url=URL, caller=caller)
    return [message.id for message in batch.messages]


def test_callbacks_come_the_newest_first_by_account_message_and_state(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        made = await _called(world)
        await _called(world, "bank")
        whole = await office.walk("/callbacks", limit=4)
        assert [len(page) for page in whole] == [4, 2]
        numbers = [number for page in ids(whole) for number in page]
        assert numbers == sorted(numbers, reverse=True)
        own = await office.walk("/callbacks", account="shop", limit=2)
        assert [[c["message_id"] for c in page] for page in own] == [made[:0:-1], made[:1]]
        assert {c["account"] for page in own for c in page} == {"shop"}
        [[one]] = await office.walk("/callbacks", message=made[0])
        assert (one["message_id"], one["state"], one["url"], one["tries"]) == (made[0], "waiting", URL, 0)
        assert await office.walk("/callbacks", message=one["message_public_id"]) == [[one]]
        assert await office.walk("/callbacks", message=made[0], account="bank") == [[]]
        assert await office.walk("/callbacks", account="shop", state="delivered") == [[]]

    manage(world, story)


def test_a_replay_puts_a_callback_back_under_the_id_it_had(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await _called(world)
        await world.all(
            "UPDATE callbacks SET state = 'given_up', wake_at = NULL, tries = 9, answer = 'HTTP 500',"
            " ended_at = now()"
        )
        ended = (await office.get("/callbacks", state="given_up"))["items"][0]
        world.time.advance(timedelta(hours=1))
        again = await office.post(f"/callbacks/{ended['public_id']}/replay")
        now = world.time.now()
        assert (again["state"], again["tries"], again["ended_at"]) == ("waiting", 0, None)
        assert datetime.fromisoformat(again["wake_at"]) == now
        assert (again["id"], again["public_id"], again["answer"]) == (
            ended["id"], ended["public_id"], "HTTP 500",
        )  # fmt: skip
        assert await office.walk("/callbacks", state="waiting") == [[again]]
        assert (await office.post(f"/callbacks/{ended['id']}/replay"))["public_id"] == ended["public_id"]

    manage(world, story)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/callbacks/99/replay", 404),
        ("POST", "/callbacks/x/replay", 404),
        ("POST", "/callbacks/26ffdcde-4260-4866-a288-52d04ef512d8/replay", 404),
        ("GET", "/callbacks?message=99", 404),
        ("GET", "/callbacks?message=x", 400),
        ("GET", "/callbacks?account=nobody", 404),
        ("GET", "/callbacks?state=lost", 400),
    ],
)
def test_a_callback_that_is_none_is_refused(world: World, method: str, path: str, status: int) -> None:
    async def story(office: ManagementClient) -> None:
        await office.refused(method, path, status)

    manage(world, story)


def test_the_lanes_tell_how_much_is_where_and_who_takes_it(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await world.submit(NUMBERS)
        await world.submit(tier=Tier.BULK, after=timedelta(hours=1))
        told = await office.get("/lanes")
        assert told["redis"] is True
        assert told["other_queues"] == {"clock": None, "system": None}
        critical, standard, bulk = told["lanes"]
        assert (critical["tier"], critical["oldest"], critical["last_consumed"]) == ("critical", None, None)
        assert (standard["lane"], standard["held"], bulk["held"]) == (3, 0, 1)
        assert datetime.fromisoformat(bulk["next_wake"]) == world.time.now() + timedelta(hours=1)

    manage(world, story)
