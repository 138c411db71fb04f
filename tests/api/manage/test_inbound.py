"""Messages from handsets over the management API, and the webhooks that get them."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from dispatcher.api import manage as api
from dispatcher.domain.callbacks.events import InboundEvent
from dispatcher.domain.delivery.provider import Inbound
from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.service.accounts import accounts
from dispatcher.service.callbacks.sender import Signature
from dispatcher.service.receipts import ingest
from tests.api.manage.client import SHOP, ManagementClient, ids, run_with_api
from tests.world import NUMBER, World

URL = "https://shop.example/inbound"


async def _arrived(world: World, *result: Inbound) -> None:
    await accounts.add_sender(world.ctx, world.caller.account, "40404")
    await ingest.keep(world.ctx, "sim", result)


def test_messages_come_the_newest_first_by_account_and_number(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        mine = [Inbound(NUMBER, "40404", "Hi") for _ in range(3)]
        await _arrived(api.world, *mine, Inbound("+254712345679", "50505", "Hi"))
        assert ids(await api.pages("/inbound", limit=2)) == [[4, 3], [2, 1]]
        assert ids(await api.pages("/inbound", limit=2, account="shop")) == [[3, 2], [1]]
        assert ids(await api.pages("/inbound", number="254712345679")) == [[4]]
        assert ids(await api.pages("/inbound", number="254712345679", account="shop")) == [[]]
        assert "nobody" in await api.refused("GET", "/inbound?number=nobody", 400)
        assert "none" in await api.refused("GET", "/inbound?account=none", 404)

    run_with_api(world, story)


def test_a_message_is_shown_by_either_id_and_its_text_only_if_requested(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await _arrived(api.world, Inbound(NUMBER, "40404", "Stop", "mo-1"))
        shown = await api.get("/inbound/1")
        assert shown == {
            "id": 1,
            "public_id": shown["public_id"],
            "account": "shop",
            "sender": "40404",
            "provider": "sim",
            "ref": "mo-1",
            "number": NUMBER,
            "recipient": "40404",
            "text": None,
            "action": "stop",
            "sent_at": None,
            "received_at": shown["received_at"],
            "parts": 1,
            "missing_parts": [],
            "updated_at": None,
        }
        assert (await api.get("/inbound"))["items"] == [shown]
        whole = await api.get(f"/inbound/{shown['public_id']}", text=True)
        assert whole == shown | {"text": "Stop"}
        assert (await api.get("/inbound", text=True))["items"] == [whole]
        await api.refused("GET", "/inbound/2", 404)

    run_with_api(world, story)


def test_a_url_is_added_listed_replaced_and_removed(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path = f"{SHOP}/webhooks"
        made = await api.post(path, {"url": URL, "id": "crm"}, status=201)
        assert (made["id"], made["url"], made["event"]) == ("crm", URL, "inbound.received")
        assert (await api.get(path))["items"] == [made]
        again = await api.post(path, {"url": f"{URL}/2", "id": "crm"}, status=201)
        assert (await api.get(path))["items"] == [again]
        UUID((await api.post(path, {"url": URL}, status=201))["id"])
        await api.request("DELETE", f"{path}/crm", 204)
        await api.request("DELETE", f"{path}/crm", 204)
        assert [item["url"] for item in (await api.get(path))["items"]] == [URL]
        await api.refused("POST", path, 400, json={"url": "http://127.0.0.1/"})
        await api.refused("POST", "/accounts/none/webhooks", 404, json={"url": URL})

    run_with_api(world, story)


def test_a_url_that_is_switched_off_is_listed_with_the_reason_and_a_post_switches_it_on(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path = f"{SHOP}/webhooks"
        made = await api.post(path, {"url": URL, "id": "crm"}, status=201)
        assert (made["failing_since"], made["disabled_at"], made["disabled_reason"]) == (None, None, None)
        await world.all("UPDATE webhooks SET disabled_at = now(), disabled_reason = 'gone' RETURNING id")
        [off] = (await api.get(path))["items"]
        assert off["disabled_at"] is not None
        assert off["disabled_reason"] == "gone; register it again, with the same id, to switch it on"
        assert await api.post(path, {"url": URL, "id": "crm"}, status=201) == made

    run_with_api(world, story)


def test_an_inbound_message_is_a_callback_for_the_accounts_url(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await api.post(f"{SHOP}/webhooks", {"url": URL, "id": "crm"}, status=201)
        await _arrived(api.world, Inbound(NUMBER, "40404", "Hi"))
        [callback] = (await api.get("/callbacks"))["items"]
        result: dict[str, object] = {"message_id": None, "message_public_id": None, "inbound_id": 1}
        result |= {"event": "inbound.received", "url": URL, "webhook_id": "crm"}
        assert {name: callback[name] for name in result} == result
        again = await api.post(f"/callbacks/{callback['id']}/replay")
        assert again["public_id"] == callback["public_id"]

    run_with_api(world, story)


@pytest.mark.parametrize("action", [None, KeywordAction.STOP])
def test_a_message_is_worded_as_an_event_of_its_own(action: KeywordAction | None) -> None:
    event = InboundEvent(
        id=UUID(int=7),
        account_id=1,
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        sent_at=datetime(2026, 3, 1, 11, tzinfo=UTC) if action else None,
        number=NUMBER,
        recipient="+40404",
        sender="40404",
        text="Hi",
        action=action,
        webhook_id="crm",
        event="inbound.received",
    )
    assert api.management.inbound_formatter is not None
    callback = api.management.inbound_formatter(event)
    assert callback.signature is Signature.STANDARD_WEBHOOKS
    assert callback.body == {
        "type": "inbound.received",
        "timestamp": "2026-03-01T12:00:00+00:00",
        "data": {
            "inbound_id": "00000000-0000-0000-0000-000000000007",
            "number": NUMBER,
            "recipient": "+40404",
            "sender": "40404",
            "text": "Hi",
            "action": action,
            "sent_at": "2026-03-01T11:00:00+00:00" if action else None,
            "parts": 1,
            "missing_parts": [],
        },
    }


def test_an_incomplete_message_and_a_late_part_are_worded_as_such() -> None:
    event = InboundEvent(
        id=UUID(int=7),
        account_id=1,
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        sent_at=None,
        number=NUMBER,
        recipient="40404",
        sender="40404",
        text="Hi",
        action=None,
        webhook_id="crm",
        event="inbound.received",
        parts=3,
        missing_parts=(2, 3),
    )
    assert api.management.inbound_formatter is not None
    first = api.management.inbound_formatter(event).body
    assert first["type"] == "inbound.received"
    late = api.management.inbound_formatter(replace(event, seq=2, missing_parts=(3,))).body
    assert late["type"] == "inbound.updated"
    data = late["data"]
    assert isinstance(data, dict)
    assert (data["inbound_id"], data["parts"], data["missing_parts"]) == (str(UUID(int=7)), 3, [3])
