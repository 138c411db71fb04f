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
    ask,
    caller_of,
    deliver,
    details,
    key_of,
    later,
    send,
    written,
)
from tests.world import World

CLIENT_ID = "23948729438slkdfjwkfjhsdfsdf"
_PATHS = ("", "/events", "/events/{id}-1")


def _statuses(shown: Body) -> list[str]:
    return [happened["message"]["status"] for happened in shown["events"]]


def test_the_details_of_an_sms_are_those_of_the_document_in_its_order(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk, to="1234567890", clientId=CLIENT_ID)
        accepted = desk.world.time.now()
        desk.world.time.advance(timedelta(seconds=15))
        await deliver(desk, tracking_id)
        shown = await details(desk, tracking_id)
        events = shown.pop("events")
        assert list(shown.items()) == [
            ("to", "1234567890"),
            ("from", "SHOP"),
            ("message", "Hello, this is a test SMS message."),
            ("clientId", CLIENT_ID),
            ("messageType", "sms"),
            ("trackingId", tracking_id),
            ("notBefore", written(accepted)),
            ("notAfter", written(accepted + timedelta(hours=6))),
            ("created", written(accepted)),
            ("updated", later(desk)),
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
                    "statusAt": written(accepted),
                    "additionalInfo": {},
                },
            ),
            ("timestamp", written(accepted)),
        ]
        order = ["channel", "trackingId", "clientId", "status", "statusAt", "additionalInfo"]
        assert list(events[0]["message"]) == order

    ask(world, story)


def test_a_delivered_sms_has_the_documents_three_events_oldest_first(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk)
        await deliver(desk, tracking_id)
        shown = await details(desk, tracking_id)
        assert _statuses(shown) == ["processing", "sent to provider", "delivered"]
        assert [happened["message"]["additionalInfo"] for happened in shown["events"]] == [{}, {}, {}]
        assert len({happened["id"] for happened in shown["events"]}) == 3

    ask(world, story)


def test_the_events_alone_are_those_of_the_details(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk, clientId="1")
        await deliver(desk, tracking_id)
        response = await desk.http.get(f"{PATH}/{tracking_id}/events")
        assert (response.status_code, response.headers["content-type"]) == (200, JSON)
        events = (await details(desk, tracking_id))["events"]
        assert list(response.json().items()) == [("messageId", tracking_id), ("events", events)]

    ask(world, story)


def test_each_event_is_found_by_its_id_and_tells_its_message(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk, clientId="1")
        await deliver(desk, tracking_id)
        for happened in (await details(desk, tracking_id))["events"]:
            response = await desk.http.get(f"{PATH}/{tracking_id}/events/{happened['id']}")
            assert (response.status_code, response.headers["content-type"]) == (200, JSON)
            assert list(response.json().items()) == [("messageId", tracking_id), *happened.items()]

    ask(world, story)


def test_an_event_of_another_sms_is_not_found(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        one, another = await send(desk), await send(desk)
        response = await desk.http.get(f"{PATH}/{one}/events/{another}-1")
        assert (response.status_code, response.json()) == (404, {"error": "Event not found"})

    ask(world, story)


@pytest.mark.parametrize(
    "name", ["{id}-2", "{id}-0", "{id}-01", "{id}-١", "{id}", "1", "5mogLKKETFjg7c3eNNvH", "%00", "x" * 500]
)
def test_an_unknown_event_is_not_found(world: World, name: str) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk)
        response = await desk.http.get(f"{PATH}/{tracking_id}/events/{name.format(id=tracking_id)}")
        assert (response.status_code, response.json()) == (404, {"error": "Event not found"})
        assert response.headers["content-type"] == JSON

    ask(world, story)


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize(
    "name", ["1234567890abcdef", "1", "abc", "0" * 32, "%00", "%D9%A1", "{upper}", "{dashes}", "9" * 500]
)
def test_what_is_no_tracking_id_of_ours_is_not_found(world: World, path: str, name: str) -> None:
    async def story(desk: ApiClient) -> None:
        known = await send(desk)
        dashes = "-".join([known[:8], known[8:12], known[12:16], known[16:20], known[20:]])
        name_ = name.format(upper="A" + known[1:].upper(), dashes=dashes)
        response = await desk.http.get(f"{PATH}/{name_}{path.format(id=known)}")
        assert (response.status_code, response.json()) == (404, {"error": "SMS not found"})
        assert response.headers["content-type"] == JSON

    ask(world, story)


@pytest.mark.parametrize("path", _PATHS)
def test_another_accounts_sms_is_not_found(world: World, path: str) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk)
        other = await desk.world.another_account("other")
        key = await key_of(desk.world, other.account)
        response = await desk.http.get(f"{PATH}/{tracking_id}{path.format(id=tracking_id)}", headers=key)
        assert (response.status_code, response.json()) == (404, {"error": "SMS not found"})

    ask(world, story)


@pytest.mark.parametrize("path", _PATHS)
def test_what_the_same_account_sent_through_another_dialect_is_not_found(world: World, path: str) -> None:
    async def story(desk: ApiClient) -> None:
        [message] = (await desk.world.submit()).messages
        name = message.public_id.hex
        response = await desk.http.get(f"{PATH}/{name}{path.format(id=name)}")
        assert (response.status_code, response.json()) == (404, {"error": "SMS not found"})

    ask(world, story)


def test_a_scheduled_sms_says_so_until_its_time_comes(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk, notBefore=later(desk, hours=1))
        shown = await details(desk, tracking_id)
        assert _statuses(shown) == ["scheduled"]
        info = {"code": 10, "reason": "accepted"}
        assert shown["events"][0]["message"]["additionalInfo"] == info
        desk.world.time.advance(timedelta(hours=1))
        await desk.world.clock.release()
        assert _statuses(await details(desk, tracking_id)) == ["scheduled", "processing"]

    ask(world, story)


def test_an_sms_that_was_taken_back_is_cancelled(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk)
        row = await desk.world.one("SELECT id FROM messages")
        assert await withdraw.one(desk.world.ctx, caller_of(desk.world), row.id)
        shown = await details(desk, tracking_id)
        assert _statuses(shown) == ["processing", "cancelled"]
        info = {"code": 90, "reason": "withdrawn by the caller"}
        assert shown["events"][-1]["message"]["additionalInfo"] == info

    ask(world, story)


@pytest.mark.parametrize(
    ("status", "word"),
    [(30, "undelivered"), (31, "undelivered"), (32, "expired"), (33, "failed"), (38, "failed")],
)
def test_an_sms_that_was_lost_says_how_with_the_code_and_the_reason(
    world: World, status: int, word: str
) -> None:
    world.sim.always(Rejected(Status(status), "the provider's reason"))

    async def story(desk: ApiClient) -> None:
        tracking_id = await send(desk)
        await desk.world.deliver()
        happened = (await details(desk, tracking_id))["events"][-1]["message"]
        assert happened["status"] == word
        assert happened["additionalInfo"]["code"] == status
        assert "the provider's reason" in happened["additionalInfo"]["reason"]

    ask(world, story)
