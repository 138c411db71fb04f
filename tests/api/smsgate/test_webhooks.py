"""SMS Gateway's webhooks: registration, events, and upstream's format."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from dispatcher.api.dialects.smsgate.responses import device_id
from dispatcher.api.dialects.smsgate.webhooks import EVENTS, format_event
from dispatcher.domain.callbacks.events import MessageEvent
from dispatcher.domain.messages.status import Status
from dispatcher.service.callbacks.sender import Signature
from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.smsgate.client import AMERICAN, BASE, NOBODY, PATH, login, run_with_api, send, with_settings
from tests.world import World

_URL = f"{BASE}/webhooks"
_TARGET = "https://example.com/webhook"


async def _register(api: ApiClient, **fields: object) -> dict[str, object]:
    response = await api.http.post(_URL, json={"url": _TARGET, "event": "sms:sent", **fields})
    assert response.status_code == 201, response.text
    answer: dict[str, object] = response.json()
    return answer


async def _told_of(api: ApiClient) -> list[tuple[str, str]]:
    rows = await api.world.all("SELECT webhook_id, event FROM callbacks ORDER BY id")
    return [(row.webhook_id, row.event) for row in rows]


def test_a_webhook_is_registered_listed_and_removed(world: World) -> None:
    async def story(api: ApiClient) -> None:
        assert (await api.http.get(_URL)).json() == []
        made = await _register(api, id="mine")
        assert made == {"id": "mine", "deviceId": None, "url": _TARGET, "event": "sms:sent"}
        assert (await api.http.get(_URL)).json() == [made]
        for _ in range(2):
            response = await api.http.delete(f"{_URL}/mine")
            assert (response.status_code, response.content) == (204, b"")
        assert (await api.http.get(_URL)).json() == []

    run_with_api(world, story)


@pytest.mark.parametrize("name", [None, ""])
def test_without_an_id_one_is_made_up(world: World, name: str | None) -> None:
    async def story(api: ApiClient) -> None:
        made = await _register(api, id=name)
        assert UUID(str(made["id"]))

    run_with_api(world, story)


def test_the_same_id_replaces_the_webhook(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await _register(api, id="mine")
        again = await _register(api, id="mine", url=f"{_TARGET}/2", event="sms:failed")
        assert (await api.http.get(_URL)).json() == [again]

    run_with_api(world, story)


def test_the_one_device_may_be_named_and_another_may_not(world: World) -> None:
    async def story(api: ApiClient) -> None:
        device = device_id(api.world.caller.account.id)
        assert (await _register(api, deviceId=device))["deviceId"] == device
        response = await api.http.post(_URL, json={"url": _TARGET, "event": "sms:sent", "deviceId": "x"})
        assert (response.status_code, response.json()["message"]) == (
            400,
            "failed to select device: record not found",
        )

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": None}, "url is required"),
        ({"url": 5}, "url must be a string"),
        ({"url": "http://example.com/"}, "the URL must begin with https://, not with http://"),
        ({"url": "ftp://example.com/"}, "the URL must begin with https://, not with ftp"),
        ({"url": "https://127.0.0.1/"}, "the address 127.0.0.1 is private"),
        ({"url": "https://localhost/"}, "the address localhost is private"),
        ({"url": "https://user:pass@example.com/"}, "the URL may not contain a user name or a password"),
        ({"event": None}, "invalid event type"),
        ({"event": "sms:lost"}, "invalid event type"),
        ({"event": 5}, "event must be a string; invalid event type"),
        ({"id": "x" * 37}, "id must have at most 36 printable characters"),
        ({"id": "a\x00"}, "id must have at most 36 printable characters"),
        ({"id": 5}, "id must be a string"),
    ],
)
def test_a_faulty_webhook_is_400_and_not_stored(
    world: World, fields: dict[str, object], message: str
) -> None:
    async def story(api: ApiClient) -> None:
        content = json.dumps({"url": _TARGET, "event": "sms:sent", **fields})
        response = await api.http.post(_URL, content=content)
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})
        assert (await api.http.get(_URL)).json() == []

    run_with_api(world, story)


def test_a_setting_allows_http_and_private_addresses(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        await _register(api, url="http://127.0.0.1:9000/hook")

    run_with_api(with_settings(settings, callback_private=True), story)


def test_an_account_has_at_most_50_webhooks_and_may_still_replace_one(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for n in range(50):
            await _register(api, id=f"hook-{n}")
        response = await api.http.post(_URL, json={"url": _TARGET, "event": "sms:sent"})
        assert response.status_code == 400
        assert response.json()["message"] == "there are 50 webhooks already; remove one first"
        await _register(api, id="hook-7", event="sms:failed")

    run_with_api(world, story)


def test_webhooks_of_another_account_are_neither_seen_nor_removed(world: World) -> None:
    async def story(api: ApiClient) -> None:
        made = await _register(api, id="mine")
        ours, other = api.http.auth or NOBODY, await api.world.another_account("other")
        api.http.auth = await login(api.world, other.account)
        assert (await api.http.get(_URL)).json() == []
        for name in ("mine", "%00", "a/b"):
            assert (await api.http.delete(f"{_URL}/{name}")).status_code == 204
        api.http.auth = ours
        assert (await api.http.get(_URL)).json() == [made]

    run_with_api(world, story)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_of_upstream_is_accepted(world: World, event: str) -> None:
    async def story(api: ApiClient) -> None:
        await _register(api, event=event)

    run_with_api(world, story)


def test_a_webhook_that_is_switched_off_says_so_until_it_is_registered_again(world: World) -> None:
    async def story(api: ApiClient) -> None:
        made = await _register(api, id="mine")
        await world.all(
            "UPDATE webhooks SET disabled_at = '2026-05-17T09:32:11.421Z', disabled_reason = 'gone'"
            " RETURNING id"
        )
        why = "gone; register it again, with the same id, to switch it on"
        off = {"disabledAt": "2026-05-17T09:32:11.421Z", "disabledReason": why}
        assert (await api.http.get(_URL)).json() == [{**made, **off}]
        await send(api)
        await api.world.deliver()
        assert await _told_of(api) == []
        assert await _register(api, id="mine") == made
        assert (await api.http.get(_URL)).json() == [made]

    run_with_api(world, story)


def test_each_status_that_ends_something_is_one_event_and_no_other(world: World) -> None:
    meant = {event: statuses for event, statuses in EVENTS.items() if statuses}
    assert meant["sms:sent"] == {Status.SENT}
    assert meant["sms:delivered"] == {Status.RECEIVED}
    assert meant["sms:cancelled"] == {Status.WITHDRAWN}
    result = [status for statuses in meant.values() for status in statuses]
    assert sorted(result) == sorted(set(Status) - {Status.SCHEDULED, Status.PENDING})


def test_a_webhook_gets_its_event_only(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await _register(api, id="a", event="sms:sent")
        await _register(api, id="b", event="sms:delivered")
        await _register(api, id="c", event="sms:cancelled")
        await _register(api, id="d", event="sms:received")
        await send(api)
        await api.world.deliver()
        assert await _told_of(api) == [("a", "sms:sent")]
        taken = await send(api)
        await api.http.delete(f"{PATH}/{taken['id']}")
        assert await _told_of(api) == [("a", "sms:sent"), ("c", "sms:cancelled")]

    run_with_api(world, story)


_HAPPENING = MessageEvent(
    message_id=UUID("c6f1f7cc-97c1-44a2-99fb-83c4b3f9ef4c"),
    batch_id="mine",
    account_id=7,
    seq=3,
    at=datetime(2026, 5, 17, 9, 32, 11, 421_999, tzinfo=UTC),
    status=Status.RECEIVED,
    reason="accepted",
    number=AMERICAN,
    number_as_given="(202) 555-0100",
    sender="SHOP",
    client_id="",
    webhook_id="hook",
    event="sms:delivered",
)


def test_an_event_has_upstreams_format() -> None:
    result = format_event(_HAPPENING)
    assert result.signature is Signature.TIMESTAMPED
    assert result.body == {
        "id": result.body["id"],
        "webhookId": "hook",
        "event": "sms:delivered",
        "deviceId": device_id(7),
        "payload": {
            "messageId": "mine",
            "phoneNumber": AMERICAN,
            "sender": "SHOP",
            "recipient": AMERICAN,
            "simNumber": None,
            "deliveredAt": "2026-05-17T09:32:11.421Z",
        },
    }


@pytest.mark.parametrize(
    ("event", "status", "named"),
    [
        ("sms:sent", Status.SENT, {"sentAt": "2026-05-17T09:32:11.421Z"}),
        ("sms:cancelled", Status.WITHDRAWN, {"cancelledAt": "2026-05-17T09:32:11.421Z"}),
        ("sms:failed", Status.EXPIRED, {"failedAt": "2026-05-17T09:32:11.421Z", "reason": "TTL expired"}),
    ],
)
def test_each_event_has_its_own_time_and_a_failed_one_its_reason(
    event: str, status: Status, named: dict[str, str]
) -> None:
    payload = format_event(replace(_HAPPENING, event=event, status=status, sender=None)).body["payload"]
    assert isinstance(payload, dict)
    assert payload["sender"] == ""
    assert {name: payload[name] for name in payload if name.endswith("At") or name == "reason"} == named


def test_the_id_of_an_event_is_the_same_in_every_try_and_no_other_events() -> None:
    other = [{"seq": 4}, {"webhook_id": "hook2"}, {"message_id": UUID(int=1)}]
    ids = {format_event(replace(_HAPPENING, **change)).body["id"] for change in other}  # type: ignore[arg-type]
    assert format_event(_HAPPENING).body["id"] == format_event(_HAPPENING).body["id"]
    assert len(ids | {format_event(_HAPPENING).body["id"]}) == 4
