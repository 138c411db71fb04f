"""eMsgNow's callbacks: each event, as it is shown alone, posted to the URL of its SMS and signed."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from dispatcher.api.dialects.emsgnow import dialect
from dispatcher.api.dialects.emsgnow.mapping import DOCUMENTED, WORDS
from dispatcher.domain.callbacks.events import MessageEvent
from dispatcher.domain.messages.status import Status
from dispatcher.service.callbacks.sender import Signature
from tests.api.client import ApiClient
from tests.api.emsgnow.sample import PATH, deliver, run_with_api, send
from tests.world import World

URL = "https://shop.example/sms?of=us"
TRACKING_ID = "0123456789abcdef0123456789abcdef"
DELIVERED = MessageEvent(
    message_id=UUID(TRACKING_ID),
    batch_id="b",
    account_id=1,
    seq=3,
    at=datetime(2024, 11, 10, 2, 48, 8, 19_999, tzinfo=UTC),
    status=Status.RECEIVED,
    reason="",
    number="+1234567890",
    number_as_given="1234567890",
    sender="SHOP",
    client_id="1",
    webhook_id=None,
    event="",
)


def test_a_callback_is_the_single_event_signed_by_standard_webhooks() -> None:
    assert dialect.event_formatter is not None
    callback = dialect.event_formatter(DELIVERED)
    assert callback.signature is Signature.STANDARD_WEBHOOKS
    assert json.loads(json.dumps(callback.body)) == {
        "messageId": TRACKING_ID,
        "id": f"{TRACKING_ID}-3",
        "message": {
            "channel": "sms",
            "trackingId": TRACKING_ID,
            "clientId": "1",
            "status": "delivered",
            "statusAt": "2024-11-10T02:48:08.019Z",
            "additionalInfo": {},
        },
        "timestamp": "2024-11-10T02:48:08.019Z",
    }
    assert list(callback.body) == ["messageId", "id", "message", "timestamp"]


@pytest.mark.parametrize("status", Status)
def test_a_callback_has_code_and_reason_unless_the_document_shows_its_status(status: Status) -> None:
    assert dialect.event_formatter is not None
    message = dialect.event_formatter(replace(DELIVERED, status=status, reason="why")).body["message"]
    assert isinstance(message, dict)
    assert message["status"] == WORDS[status]
    result = {} if status in DOCUMENTED else {"code": int(status), "reason": "why"}
    assert json.loads(json.dumps(message["additionalInfo"])) == result


def test_a_callback_has_the_format_of_a_single_event(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api, clientId="1")
        row = await api.world.one("SELECT e.* FROM message_events e")
        result = replace(
            DELIVERED, message_id=UUID(tracking_id), seq=row.seq, at=row.at, status=Status(row.status)
        )
        assert dialect.event_formatter is not None
        response = await api.http.get(f"{PATH}/{tracking_id}/events/{tracking_id}-1")
        assert response.json() == dialect.event_formatter(result).body

    run_with_api(world, story)


def test_each_event_has_one_callback_to_the_url_of_its_sms(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api, callbackUrl=URL)
        await deliver(api, tracking_id)
        events = await api.world.all("SELECT seq FROM message_events ORDER BY seq")
        rows = await api.world.all("SELECT seq, url, dialect FROM callbacks ORDER BY seq")
        assert len(events) == 3
        result = [(row.seq, row.url, row.dialect) for row in rows]
        assert result == [(row.seq, URL, "emsgnow") for row in events]

    run_with_api(world, story)


def test_without_a_callback_url_there_is_no_callback(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await deliver(api, await send(api))
        assert await api.world.all("SELECT * FROM callbacks") == []

    run_with_api(world, story)


def test_a_setting_allows_private_callback_urls(world: World) -> None:
    allowing = World(world.settings.model_copy(update={"callback_private": True}))

    async def story(api: ApiClient) -> None:
        await send(api, callbackUrl="http://127.0.0.1:8000/x")

    run_with_api(allowing, story)
