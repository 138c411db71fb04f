"""SMS Gateway's inbox: received messages, their webhooks, and the repetition of those."""

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
from tests.api.smsgate.client import BASE, KENYAN, login, run_with_api, token, with_settings, with_token
from tests.world import World

INBOX = f"{BASE}/inbox"
DAY = timedelta(days=1)


async def _arrived(api: ApiClient, texts: Sequence[str], *, to: str = "40404") -> None:
    """Have messages come in, a day apart; the account has the sender 40404."""
    account = api.world.caller.account
    if "40404" not in [sender.name for sender in await accounts.list_senders(api.world.ctx, account)]:
        await accounts.add_sender(api.world.ctx, account, "40404")
    for text in texts:
        await ingest.keep(api.world.ctx, "sim", [Inbound(KENYAN, to, text)])
        api.world.time.advance(DAY)


async def _previews(api: ApiClient, **query: Any) -> tuple[list[str], int]:
    response = await api.http.get(INBOX, params=query)
    assert response.status_code == 200, response.text
    return [one["contentPreview"] for one in response.json()], int(response.headers["x-total-count"])


async def _again(api: ApiClient) -> list[str]:
    """Return the texts that wait for webhooks, and mark their callbacks as delivered."""
    rows = await api.world.all(
        "WITH sent AS (UPDATE callbacks SET state = 'delivered', wake_at = NULL WHERE state = 'waiting'"
        " RETURNING inbound_id) SELECT i.text FROM sent t JOIN inbound i ON i.id = t.inbound_id ORDER BY i.id"
    )
    return [str(row.text) for row in rows]


def test_received_messages_are_listed_as_upstream_lists_them(world: World) -> None:
    async def story(api: ApiClient) -> None:
        at = api.world.time.at = datetime(2026, 5, 17, 9, 32, 11, 421_999, tzinfo=UTC)
        await _arrived(api, ["Hello World!"])
        [shown] = (await api.http.get(INBOX)).json()
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

    run_with_api(world, story)


def test_the_newest_come_first_and_pages_and_periods_are_cut_from_them(world: World) -> None:
    async def story(api: ApiClient) -> None:
        start = api.world.time.now()
        await _arrived(api, ["a", "b", "c", "d"])
        assert await _previews(api) == (["d", "c", "b", "a"], 4)
        assert await _previews(api, limit=2) == (["d", "c"], 4)
        assert await _previews(api, limit=2, offset=3) == (["a"], 4)
        assert await _previews(api, limit=0, skip=1) == (["c"], 4)
        assert await _previews(api, offset=-5, limit=501) == (["d", "c", "b", "a"], 4)
        since, until = ((start + n * DAY).isoformat() for n in (1, 3))
        assert await _previews(api, **{"from": since, "to": until}) == (["c", "b"], 2)

    run_with_api(world, story)


def test_there_are_only_sms_of_the_one_device(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await _arrived(api, ["a"])
        device = device_id(api.world.caller.account.id)
        assert await _previews(api, type="SMS", deviceId=device) == (["a"], 1)
        for query in ({"type": "MMS"}, {"type": "DATA_SMS"}, {"deviceId": "another"}):
            assert await _previews(api, **query) == ([], 0)

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"type": "sms"}, "type must be one of SMS, DATA_SMS, MMS, MMS_DOWNLOADED"),
        ({"limit": "x"}, "limit must be an integer"),
        ({"from": "x"}, "from must be a time in RFC 3339 format: YYYY-MM-DDThh:mm:ssZ"),
    ],
)
def test_a_faulty_query_is_400(world: World, query: dict[str, str], message: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get(INBOX, params=query)
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})

    run_with_api(world, story)


def test_messages_of_other_accounts_and_of_none_are_not_listed(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await _arrived(api, ["mine"])
        await _arrived(api, ["nobody's"], to="50505")
        assert await _previews(api) == (["mine"], 1)
        other = await api.world.another_account("other")
        api.http.auth = await login(api.world, other.account)
        assert await _previews(api) == ([], 0)

    run_with_api(world, story)


def test_there_are_no_attachments(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get(f"{INBOX}/{UUID(int=1)}/attachments/1")
        assert (response.status_code, response.json()["code"]) == (404, 404)

    run_with_api(world, story)


def test_the_inbox_requires_its_scopes(world: World) -> None:
    async def story(api: ApiClient) -> None:
        access = (await token(api, "messages:list"))["access_token"]
        for method, path, scope in [
            ("GET", INBOX, "inbox:list"),
            ("POST", f"{INBOX}/refresh", "inbox:refresh"),
            ("POST", f"{BASE}/messages/inbox/export", "messages:export"),
        ]:
            response = await with_token(api, method, path, access, json={} if method == "POST" else None)
            assert (response.status_code, response.json()["message"]) == (403, f"scope required: {scope}")

    run_with_api(with_settings(world.settings), story)


async def _hook(api: ApiClient) -> None:
    hook = {"id": "hook", "url": "https://93.184.215.14/hook", "event": "sms:received"}
    assert (await api.http.post(f"{BASE}/webhooks", json=hook)).status_code == 201


def test_a_webhook_for_received_messages_gets_only_those(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await _hook(api)
        await _arrived(api, ["a"])
        await api.world.submit()
        row = await api.world.one("SELECT dialect, webhook_id, event, message_id, inbound_id FROM callbacks")
        assert row == ("smsgate", "hook", "sms:received", None, 1)

    run_with_api(world, story)


def test_a_webhook_that_is_registered_for_another_event_gets_no_more_of_the_first(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await _hook(api)
        hook = {"id": "hook", "url": "https://93.184.215.14/hook", "event": "sms:sent"}
        await api.http.post(f"{BASE}/webhooks", json=hook)
        await _arrived(api, ["a"])
        assert await _again(api) == []

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("path", "body", "result"),
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
def test_the_webhooks_of_a_period_are_repeated_if_requested(
    world: World, path: str, body: dict[str, object], result: list[str]
) -> None:
    async def story(api: ApiClient) -> None:
        await _hook(api)
        start = api.world.time.now()
        await _arrived(api, ["a", "b", "c", "d"])
        assert await _again(api) == ["a", "b", "c", "d"]
        period = {"since": (start + DAY).isoformat(), "until": (start + 3 * DAY).isoformat()}
        response = await api.http.post(f"{BASE}/{path}", json=period | body)
        assert (response.status_code, response.json()) == (202, {})
        assert await _again(api) == result

    run_with_api(world, story)


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
    async def story(api: ApiClient) -> None:
        response = await api.http.post(f"{BASE}/{path}", json=body)
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})

    run_with_api(world, story)


def test_a_received_message_has_upstreams_format() -> None:
    event = InboundEvent(
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
    result = dialect.inbound_formatter(event)
    assert result == dialect.inbound_formatter(event)
    assert result.signature is Signature.TIMESTAMPED
    assert UUID(str(result.body["id"]))
    assert result.body == {
        "id": result.body["id"],
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
