"""SMS Gateway's inbox: received messages listed, told to webhooks, and told again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dispatcher.api.dialects.smsgate import dialect
from dispatcher.api.dialects.smsgate.responses import device_id
from dispatcher.domain.callbacks.events import InboundEvent
from dispatcher.domain.delivery.provider import Inbound
from dispatcher.service.accounts import accounts
from dispatcher.service.callbacks.sender import Signature
from dispatcher.service.receipts import ingest
from tests.api.client import ApiClient
from tests.api.smsgate.client import BASE, KENYAN, ask, login, token, with_settings, with_token
from tests.world import World

INBOX = f"{BASE}/inbox"
DAY = timedelta(days=1)


async def _arrived(desk: ApiClient, texts: Sequence[str], *, to: str = "40404") -> None:
    """Have messages come in, a day apart; the account has the sender 40404."""
    account = desk.world.caller.account
    if "40404" not in [sender.name for sender in await accounts.senders(desk.world.ctx, account)]:
        await accounts.add_sender(desk.world.ctx, account, "40404")
    for text in texts:
        await ingest.keep(desk.world.ctx, "sim", [Inbound(KENYAN, to, text)])
        desk.world.time.advance(DAY)


async def _previews(desk: ApiClient, **query: Any) -> tuple[list[str], int]:
    response = await desk.http.get(INBOX, params=query)
    assert response.status_code == 200, response.text
    return [one["contentPreview"] for one in response.json()], int(response.headers["x-total-count"])


async def _again(desk: ApiClient) -> list[str]:
    """Give the texts that are to be told to webhooks, and mark them told."""
    rows = await desk.world.all(
        "WITH told AS (UPDATE callbacks SET state = 'delivered', wake_at = NULL WHERE state = 'waiting'"
        " RETURNING inbound_id) SELECT i.text FROM told t JOIN inbound i ON i.id = t.inbound_id ORDER BY i.id"
    )
    return [str(row.text) for row in rows]


def test_received_messages_are_listed_as_upstream_lists_them(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        at = desk.world.time.at = datetime(2026, 5, 17, 9, 32, 11, 421_999, tzinfo=UTC)
        await _arrived(desk, ["Hello World!"])
        [shown] = (await desk.http.get(INBOX)).json()
        assert shown == {
            "id": shown["id"],
            "type": "SMS",
            "sender": KENYAN,
            "recipient": "40404",
            "simNumber": None,
            "contentPreview": "Hello World!",
            "createdAt": f"{at:%Y-%m-%dT%H:%M:%S}.421Z",
        }
        assert UUID(shown["id"])

    ask(world, story)


def test_the_newest_come_first_and_pages_and_periods_are_cut_from_them(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        start = desk.world.time.now()
        await _arrived(desk, ["a", "b", "c", "d"])
        assert await _previews(desk) == (["d", "c", "b", "a"], 4)
        assert await _previews(desk, limit=2) == (["d", "c"], 4)
        assert await _previews(desk, limit=2, offset=3) == (["a"], 4)
        assert await _previews(desk, limit=0, skip=1) == (["c"], 4)
        assert await _previews(desk, offset=-5, limit=501) == (["d", "c", "b", "a"], 4)
        since, until = ((start + n * DAY).isoformat() for n in (1, 3))
        assert await _previews(desk, **{"from": since, "to": until}) == (["c", "b"], 2)

    ask(world, story)


def test_there_are_only_sms_of_the_one_device(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await _arrived(desk, ["a"])
        device = device_id(desk.world.caller.account.id)
        assert await _previews(desk, type="SMS", deviceId=device) == (["a"], 1)
        for query in ({"type": "MMS"}, {"type": "DATA_SMS"}, {"deviceId": "another"}):
            assert await _previews(desk, **query) == ([], 0)

    ask(world, story)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"type": "sms"}, "type must be one of SMS, DATA_SMS, MMS, MMS_DOWNLOADED"),
        ({"limit": "x"}, "limit must be an integer"),
        ({"from": "x"}, "from must be a time in RFC 3339 format: YYYY-MM-DDThh:mm:ssZ"),
    ],
)
def test_a_faulty_query_is_400(world: World, query: dict[str, str], message: str) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.get(INBOX, params=query)
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})

    ask(world, story)


def test_messages_of_others_and_of_nobody_are_not_seen(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await _arrived(desk, ["mine"])
        await _arrived(desk, ["nobody's"], to="50505")
        assert await _previews(desk) == (["mine"], 1)
        other = await desk.world.another_account("other")
        desk.http.auth = await login(desk.world, other.account)
        assert await _previews(desk) == ([], 0)

    ask(world, story)


def test_there_are_no_attachments(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.get(f"{INBOX}/{UUID(int=1)}/attachments/1")
        assert (response.status_code, response.json()["code"]) == (404, 404)

    ask(world, story)


def test_the_inbox_asks_for_its_scopes(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        access = (await token(desk, "messages:list"))["access_token"]
        for method, path, scope in [
            ("GET", INBOX, "inbox:list"),
            ("POST", f"{INBOX}/refresh", "inbox:refresh"),
            ("POST", f"{BASE}/messages/inbox/export", "messages:export"),
        ]:
            response = await with_token(desk, method, path, access, json={} if method == "POST" else None)
            assert (response.status_code, response.json()["message"]) == (403, f"scope required: {scope}")

    ask(with_settings(world.settings), story)


async def _hook(desk: ApiClient) -> None:
    hook = {"id": "hook", "url": "https://93.184.215.14/hook", "event": "sms:received"}
    assert (await desk.http.post(f"{BASE}/webhooks", json=hook)).status_code == 201


def test_a_webhook_for_received_messages_is_told_of_them_and_of_nothing_else(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await _hook(desk)
        await _arrived(desk, ["a"])
        await desk.world.submit()
        row = await desk.world.one("SELECT dialect, webhook_id, event, message_id, inbound_id FROM callbacks")
        assert row == ("smsgate", "hook", "sms:received", None, 1)

    ask(world, story)


def test_a_webhook_that_is_registered_for_another_event_is_told_no_more(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await _hook(desk)
        hook = {"id": "hook", "url": "https://93.184.215.14/hook", "event": "sms:sent"}
        await desk.http.post(f"{BASE}/webhooks", json=hook)
        await _arrived(desk, ["a"])
        assert await _again(desk) == []

    ask(world, story)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("inbox/refresh", {}, []),
        ("inbox/refresh", {"triggerWebhooks": False}, []),
        ("inbox/refresh", {"webhookDelivery": "Disabled"}, []),
        ("inbox/refresh", {"triggerWebhooks": True}, ["b", "c"]),
        ("inbox/refresh", {"webhookDelivery": "Individual"}, ["b", "c"]),
        ("inbox/export", {}, ["b", "c"]),
        ("messages/inbox/export", {}, ["b", "c"]),
    ],
)
def test_a_period_is_told_again_where_that_is_asked_for(
    world: World, path: str, body: dict[str, object], told: list[str]
) -> None:
    async def story(desk: ApiClient) -> None:
        await _hook(desk)
        start = desk.world.time.now()
        await _arrived(desk, ["a", "b", "c", "d"])
        assert await _again(desk) == ["a", "b", "c", "d"]
        period = {"since": (start + DAY).isoformat(), "until": (start + 3 * DAY).isoformat()}
        response = await desk.http.post(f"{BASE}/{path}", json=period | body)
        assert (response.status_code, response.json()) == (202, {})
        assert await _again(desk) == told

    ask(world, story)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "since and until are required"),
        ({"since": "2026-01-01T00:00:00Z"}, "since and until are required"),
        (
            {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
            "until must not be before since",
        ),
        (
            {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "deviceId": "x"},
            "failed to select device: record not found",
        ),
        (
            {"since": "x", "until": "2026-01-02T00:00:00Z"},
            "since must be a time in RFC 3339 format: YYYY-MM-DDThh:mm:ssZ",
        ),
    ],
)
@pytest.mark.parametrize("path", ["inbox/refresh", "messages/inbox/export"])
def test_a_faulty_period_is_400(world: World, path: str, body: dict[str, str], message: str) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(f"{BASE}/{path}", json=body)
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})

    ask(world, story)


def test_a_received_message_is_worded_as_upstream_words_it() -> None:
    came = InboundEvent(
        id=UUID("c6f1f7cc-97c1-44a2-99fb-83c4b3f9ef4c"),
        account_id=7,
        at=datetime(2026, 5, 17, 9, 32, 11, 421_999, tzinfo=UTC),
        sent_at=None,
        number=KENYAN,
        recipient="40404",
        sender="40404",
        text="Hello World!",
        action=None,
        webhook_id="hook",
        event="sms:received",
    )
    assert dialect.inbound_formatter is not None
    told = dialect.inbound_formatter(came)
    assert told == dialect.inbound_formatter(came)
    assert told.signature is Signature.TIMESTAMPED
    assert UUID(str(told.body["id"]))
    assert told.body == {
        "id": told.body["id"],
        "webhookId": "hook",
        "event": "sms:received",
        "deviceId": device_id(7),
        "payload": {
            "messageId": "c6f1f7cc-97c1-44a2-99fb-83c4b3f9ef4c",
            "message": "Hello World!",
            "phoneNumber": KENYAN,
            "sender": KENYAN,
            "recipient": "40404",
            "simNumber": None,
            "receivedAt": "2026-05-17T09:32:11.421Z",
        },
    }
