"""Messages from handsets over the management API, and the URLs that are told of them."""

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
from tests.api.manage.client import SHOP, ManagementClient, ids, manage
from tests.world import NUMBER, World

URL = "https://shop.example/inbound"


async def _arrived(world: World, *told: Inbound) -> None:
    await accounts.add_sender(world.ctx, world.caller.account, "40404")
    await ingest.keep(world.ctx, "sim", told)


def test_messages_come_the_newest_first_by_account_and_number(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        mine = [Inbound(NUMBER, "40404", "Hi") for _ in range(3)]
        await _arrived(office.world, *mine, Inbound("+254712345679", "50505", "Hi"))
        assert ids(await office.walk("/inbound", limit=2)) == [[4, 3], [2, 1]]
        assert ids(await office.walk("/inbound", limit=2, account="shop")) == [[3, 2], [1]]
        assert ids(await office.walk("/inbound", number="254712345679")) == [[4]]
        assert ids(await office.walk("/inbound", number="254712345679", account="shop")) == [[]]
        assert "nobody" in await office.refused("GET", "/inbound?number=nobody", 400)
        assert "none" in await office.refused("GET", "/inbound?account=none", 404)

    manage(world, story)


def test_a_message_is_shown_by_either_id_and_its_text_only_when_asked_for(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await _arrived(office.world, Inbound(NUMBER, "40404", "Stop", "mo-1"))
        shown = await office.get("/inbound/1")
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
        }
        assert (await office.get("/inbound"))["items"] == [shown]
        whole = await office.get(f"/inbound/{shown['public_id']}", text=True)
        assert whole == shown | {"text": "Stop"}
        assert (await office.get("/inbound", text=True))["items"] == [whole]
        await office.refused("GET", "/inbound/2", 404)

    manage(world, story)


def test_a_url_is_added_listed_replaced_and_removed(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        path = f"{SHOP}/webhooks"
        made = await office.post(path, {"url": URL, "id": "crm"}, status=201)
        assert (made["id"], made["url"], made["event"]) == ("crm", URL, "inbound.received")
        assert (await office.get(path))["items"] == [made]
        again = await office.post(path, {"url": f"{URL}/2", "id": "crm"}, status=201)
        assert (await office.get(path))["items"] == [again]
        UUID((await office.post(path, {"url": URL}, status=201))["id"])
        await office.ask("DELETE", f"{path}/crm", 204)
        await office.ask("DELETE", f"{path}/crm", 204)
        assert [item["url"] for item in (await office.get(path))["items"]] == [URL]
        await office.refused("POST", path, 400, json={"url": "http://127.0.0.1/"})
        await office.refused("POST", "/accounts/none/webhooks", 404, json={"url": URL})

    manage(world, story)


def test_what_came_in_is_written_for_the_account_s_url_and_seen_among_callbacks(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await office.post(f"{SHOP}/webhooks", {"url": URL, "id": "crm"}, status=201)
        await _arrived(office.world, Inbound(NUMBER, "40404", "Hi"))
        [callback] = (await office.get("/callbacks"))["items"]
        told: dict[str, object] = {"message_id": None, "message_public_id": None, "inbound_id": 1}
        told |= {"event": "inbound.received", "url": URL, "webhook_id": "crm"}
        assert {name: callback[name] for name in told} == told
        again = await office.post(f"/callbacks/{callback['id']}/replay")
        assert again["public_id"] == callback["public_id"]

    manage(world, story)


@pytest.mark.parametrize("action", [None, KeywordAction.STOP])
def test_a_message_is_worded_as_an_event_of_its_own(action: KeywordAction | None) -> None:
    came = InboundEvent(
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
    worded = api.management.inbound_formatter(came)
    assert worded.signature is Signature.STANDARD_WEBHOOKS
    assert worded.body == {
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
        },
    }
