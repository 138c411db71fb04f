"""eMsgNow's reports: an SMS, its events, and the ids that it does not know."""

from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Rejected
from dispatcher.domain.messages.status import Status
from dispatcher.service.messages import withdraw
from tests.api.client import ApiClient, Body
from tests.api.emsgnow.sample import (
    JSON,
    PATH,
    caller_of,
    deliver,
    details,
    format_time,
    key_of,
    later,
    run_with_api,
    send,
)
from tests.world import World

CLIENT_ID = "23948729438slkdfjwkfjhsdfsdf"
_PATHS = ("", "/events", "/events/{id}-1")


def _statuses(shown: Body) -> list[str]:
    return [happened["message"]["status"] for happened in shown["events"]]


def test_the_details_of_an_sms_are_those_of_the_document_in_its_order(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api, to="1234567890", clientId=CLIENT_ID)
        accepted = api.world.time.now()
        api.world.time.advance(timedelta(seconds=15))
        await deliver(api, tracking_id)
        shown = await details(api, tracking_id)
        events = shown.pop("events")
        assert list(shown.items()) == [
            ("to", "1234567890"),
            ("from", "SHOP"),
            ("message", "Hello, this is a test SMS message."),
            ("clientId", CLIENT_ID),
            ("messageType", "sms"),
            ("trackingId", tracking_id),
            ("notBefore", format_time(accepted)),
            ("notAfter", format_time(accepted + timedelta(hours=6))),
            ("created", format_time(accepted)),
            ("updated", later(api)),
        ]
        assert list(events[0].items()) == [
            ("id", f"{tracking_id}-1"),
            (
                "message",
                {
                    "channel": "sms",
                    "trackingId": tracking_id,
                    "clientId": CLIENT_ID,
                    "status": "processing",
                    "statusAt": format_time(accepted),
                    "additionalInfo": {},
                },
            ),
            ("timestamp", format_time(accepted)),
        ]
        order = ["channel", "trackingId", "clientId", "status", "statusAt", "additionalInfo"]
        assert list(events[0]["message"]) == order

    run_with_api(world, story)


def test_a_delivered_sms_has_the_documents_three_events_oldest_first(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api)
        await deliver(api, tracking_id)
        shown = await details(api, tracking_id)
        assert _statuses(shown) == ["processing", "sent to provider", "delivered"]
        assert [happened["message"]["additionalInfo"] for happened in shown["events"]] == [{}, {}, {}]
        assert len({happened["id"] for happened in shown["events"]}) == 3

    run_with_api(world, story)


def test_the_events_alone_are_those_of_the_details(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api, clientId="1")
        await deliver(api, tracking_id)
        response = await api.http.get(f"{PATH}/{tracking_id}/events")
        assert (response.status_code, response.headers["content-type"]) == (200, JSON)
        events = (await details(api, tracking_id))["events"]
        assert list(response.json().items()) == [("messageId", tracking_id), ("events", events)]

    run_with_api(world, story)


def test_each_event_is_found_by_its_id_and_names_its_message(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api, clientId="1")
        await deliver(api, tracking_id)
        for happened in (await details(api, tracking_id))["events"]:
            response = await api.http.get(f"{PATH}/{tracking_id}/events/{happened['id']}")
            assert (response.status_code, response.headers["content-type"]) == (200, JSON)
            assert list(response.json().items()) == [("messageId", tracking_id), *happened.items()]

    run_with_api(world, story)


def test_an_event_of_another_sms_is_not_found(world: World) -> None:
    async def story(api: ApiClient) -> None:
        one, another = await send(api), await send(api)
        response = await api.http.get(f"{PATH}/{one}/events/{another}-1")
        assert (response.status_code, response.json()) == (404, {"error": "Event not found"})

    run_with_api(world, story)


@pytest.mark.parametrize(
    "name", ["{id}-2", "{id}-0", "{id}-01", "{id}-١", "{id}", "1", "5mogLKKETFjg7c3eNNvH", "%00", "x" * 500]
)
def test_an_unknown_event_is_not_found(world: World, name: str) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api)
        response = await api.http.get(f"{PATH}/{tracking_id}/events/{name.format(id=tracking_id)}")
        assert (response.status_code, response.json()) == (404, {"error": "Event not found"})
        assert response.headers["content-type"] == JSON

    run_with_api(world, story)


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize(
    "name", ["1234567890abcdef", "1", "abc", "0" * 32, "%00", "%D9%A1", "{upper}", "{dashes}", "9" * 500]
)
def test_an_unknown_tracking_id_is_not_found(world: World, path: str, name: str) -> None:
    async def story(api: ApiClient) -> None:
        known = await send(api)
        dashes = "-".join([known[:8], known[8:12], known[12:16], known[16:20], known[20:]])
        name_ = name.format(upper="A" + known[1:].upper(), dashes=dashes)
        response = await api.http.get(f"{PATH}/{name_}{path.format(id=known)}")
        assert (response.status_code, response.json()) == (404, {"error": "SMS not found"})
        assert response.headers["content-type"] == JSON

    run_with_api(world, story)


@pytest.mark.parametrize("path", _PATHS)
def test_another_accounts_sms_is_not_found(world: World, path: str) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api)
        other = await api.world.another_account("other")
        key = await key_of(api.world, other.account)
        response = await api.http.get(f"{PATH}/{tracking_id}{path.format(id=tracking_id)}", headers=key)
        assert (response.status_code, response.json()) == (404, {"error": "SMS not found"})

    run_with_api(world, story)


@pytest.mark.parametrize("path", _PATHS)
def test_a_message_of_another_dialect_is_not_found(world: World, path: str) -> None:
    async def story(api: ApiClient) -> None:
        [message] = (await api.world.submit()).messages
        name = message.public_id.hex
        response = await api.http.get(f"{PATH}/{name}{path.format(id=name)}")
        assert (response.status_code, response.json()) == (404, {"error": "SMS not found"})

    run_with_api(world, story)


def test_an_sms_is_scheduled_until_it_is_due(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api, notBefore=later(api, hours=1))
        shown = await details(api, tracking_id)
        assert _statuses(shown) == ["scheduled"]
        info = {"code": 10, "reason": "accepted"}
        assert shown["events"][0]["message"]["additionalInfo"] == info
        api.world.time.advance(timedelta(hours=1))
        await api.world.clock.release()
        assert _statuses(await details(api, tracking_id)) == ["scheduled", "processing"]

    run_with_api(world, story)


def test_a_withdrawn_sms_is_cancelled(world: World) -> None:
    async def story(api: ApiClient) -> None:
        tracking_id = await send(api)
        row = await api.world.one("SELECT id FROM messages")
        assert await withdraw.one(api.world.ctx, caller_of(api.world), row.id)
        shown = await details(api, tracking_id)
        assert _statuses(shown) == ["processing", "cancelled"]
        info = {"code": 90, "reason": "withdrawn by the caller"}
        assert shown["events"][-1]["message"]["additionalInfo"] == info

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("status", "word"),
    [(30, "undelivered"), (31, "undelivered"), (32, "expired"), (33, "failed"), (38, "failed")],
)
def test_a_failed_sms_has_the_code_and_the_reason(world: World, status: int, word: str) -> None:
    world.sim.always(Rejected(Status(status), "the provider's reason"))

    async def story(api: ApiClient) -> None:
        tracking_id = await send(api)
        await api.world.deliver()
        happened = (await details(api, tracking_id))["events"][-1]["message"]
        assert happened["status"] == word
        assert happened["additionalInfo"]["code"] == status
        assert "the provider's reason" in happened["additionalInfo"]["reason"]

    run_with_api(world, story)
