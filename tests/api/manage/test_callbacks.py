"""Callbacks and lanes over the management API, and the format of callbacks."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dispatcher.api import manage as api
from dispatcher.domain.callbacks.events import MessageEvent
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.service.callbacks.sender import Signature
from tests.api.manage.client import NUMBERS, ManagementClient, ids, run_with_api
from tests.world import World

URL = "https://shop.example/sms"


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_message(status: Status) -> None:
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
    callback = api.management.event_formatter(happening)
    assert callback.signature is Signature.STANDARD_WEBHOOKS
    assert callback.body == {
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
    async def story(api: ManagementClient) -> None:
        made = await _called(world)
        await _called(world, "bank")
        whole = await api.pages("/callbacks", limit=4)
        assert [len(page) for page in whole] == [4, 2]
        numbers = [number for page in ids(whole) for number in page]
        assert numbers == sorted(numbers, reverse=True)
        own = await api.pages("/callbacks", account="shop", limit=2)
        assert [[c["message_id"] for c in page] for page in own] == [made[:0:-1], made[:1]]
        assert {c["account"] for page in own for c in page} == {"shop"}
        [[one]] = await api.pages("/callbacks", message=made[0])
        assert (one["message_id"], one["state"], one["url"], one["tries"]) == (made[0], "waiting", URL, 0)
        assert await api.pages("/callbacks", message=one["message_public_id"]) == [[one]]
        assert await api.pages("/callbacks", message=made[0], account="bank") == [[]]
        assert await api.pages("/callbacks", account="shop", state="delivered") == [[]]

    run_with_api(world, story)


def test_a_replay_puts_a_callback_back_under_the_id_it_had(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await _called(world)
        await world.all(
            "UPDATE callbacks SET state = 'given_up', wake_at = NULL, tries = 9, answer = 'HTTP 500',"
            " ended_at = now()"
        )
        ended = (await api.get("/callbacks", state="given_up"))["items"][0]
        world.time.advance(timedelta(hours=1))
        again = await api.post(f"/callbacks/{ended['public_id']}/replay")
        now = world.time.now()
        assert (again["state"], again["tries"], again["ended_at"]) == ("waiting", 0, None)
        assert datetime.fromisoformat(again["wake_at"]) == now
        assert (again["id"], again["public_id"], again["answer"]) == (
            ended["id"], ended["public_id"], "HTTP 500",
        )  # fmt: skip
        assert await api.pages("/callbacks", state="waiting") == [[again]]
        assert (await api.post(f"/callbacks/{ended['id']}/replay"))["public_id"] == ended["public_id"]

    run_with_api(world, story)


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
def test_an_invalid_callback_url_is_refused(world: World, method: str, path: str, status: int) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused(method, path, status)

    run_with_api(world, story)


def test_the_lanes_show_open_messages_by_place_and_their_consumption(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await world.submit(NUMBERS)
        await world.submit(tier=Tier.BULK, after=timedelta(hours=1))
        result = await api.get("/lanes")
        assert result["redis"] is True
        assert result["other_queues"] == {"clock": None, "system": None}
        critical, standard, bulk = result["lanes"]
        assert (critical["tier"], critical["oldest"], critical["last_consumed"]) == ("critical", None, None)
        assert (standard["lane"], standard["held"], bulk["held"]) == (3, 0, 1)
        assert datetime.fromisoformat(bulk["next_wake"]) == world.time.now() + timedelta(hours=1)

    run_with_api(world, story)
