"""SMS Gateway tells what became of a message, and takes it back."""

from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Rejected
from dispatcher.domain.messages.status import Status
from tests.api.client import ApiClient
from tests.api.smsgate.client import AMERICAN, BASE, KENYAN, PATH, ask, later, login, send, state
from tests.world import World

_NOT_FOUND = {"message": "message not found", "code": 404}


async def _becomes(desk: ApiClient, status: int, *, reason: str = "", number: str | None = None) -> None:
    """Give messages a status, and the event that goes with it, as workers do."""
    await desk.world.all(
        "WITH moved AS (UPDATE messages SET status = :status, place = NULL, wake_at = NULL, seq = seq + 1,"
        " reason = :reason WHERE CAST(:number AS text) IS NULL OR number = :number RETURNING *)"
        " INSERT INTO message_events (message_id, seq, at, status, attempt, reason)"
        " SELECT id, seq, :at, status, 0, reason FROM moved",
        status=status,
        reason=reason,
        number=number,
        at=desk.world.time.now() + timedelta(seconds=1),
    )


def test_a_message_is_followed_to_delivered(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        answer = await send(desk)
        await desk.world.deliver()
        assert (await state(desk, answer["id"]))["state"] == "Sent"
        await _becomes(desk, Status.RECEIVED)
        told = await state(desk, answer["id"])
        assert told == {
            "id": answer["id"],
            "deviceId": answer["deviceId"],
            "state": "Delivered",
            "isHashed": False,
            "isEncrypted": False,
            "recipients": [{"phoneNumber": AMERICAN, "state": "Delivered", "error": None}],
            "states": told["states"],
            "createdAt": answer["createdAt"],
            "textMessage": {"text": "Hello from API"},
        }
        assert list(told["states"]) == ["Pending", "Sent", "Delivered"]

    ask(world, story)


def test_the_documents_answer_is_contained(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        answer = await send(desk)
        told = await state(desk, answer["id"])
        assert {"id", "state", "recipients"} <= set(told)
        assert told["recipients"] == [{"phoneNumber": AMERICAN, "state": "Pending", "error": None}]

    ask(world, story)


def test_a_failed_recipient_tells_why_and_the_message_follows_all_of_them(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        answer = await send(desk, phoneNumbers=[KENYAN, AMERICAN])
        await _becomes(desk, Status.INVALID_NUMBER, reason="21614", number=AMERICAN)
        told = await state(desk, answer["id"])
        assert told["state"] == "Pending"
        await _becomes(desk, Status.EXPIRED, reason="its window is over", number=KENYAN)
        told = await state(desk, answer["id"])
        assert told["state"] == "Failed"
        assert [one["error"] for one in told["recipients"]] == ["TTL expired", "invalid phone number: 21614"]
        assert list(told["states"]) == ["Pending", "Failed"]

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "name",
    ["x", "0", "", "%00", "a%00b", "%ff", "c6f1f7cc-97c1-44a2-99fb-83c4b3f9ef4c", "inbox/export", "9" * 500],
)
def test_what_is_no_id_of_ours_is_not_found(world: World, method: str, name: str) -> None:
    async def story(desk: ApiClient) -> None:
        await send(desk)
        response = await desk.http.request(method, f"{PATH}/{name}")
        assert (response.status_code, response.json()) == (404, _NOT_FOUND)

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_accounts_ids_are_not_found(world: World, method: str) -> None:
    async def story(desk: ApiClient) -> None:
        ids = [(await send(desk))["id"], (await send(desk, id="mine"))["id"]]
        other = await desk.world.another_account("other")
        desk.http.auth = await login(desk.world, other.account)
        for name in ids:
            response = await desk.http.request(method, f"{PATH}/{name}")
            assert (response.status_code, response.json()) == (404, _NOT_FOUND)
        assert {row.status for row in await desk.world.all("SELECT status FROM messages")} == {11}

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_ids_of_another_dialect_of_the_same_account_are_not_found(world: World, method: str) -> None:
    async def story(desk: ApiClient) -> None:
        batch = await desk.world.submit(KENYAN, after=timedelta(hours=1))
        response = await desk.http.request(method, f"{PATH}/{batch.public_id}")
        assert response.status_code == 404
        assert await desk.status(batch.messages[0].id) == 10

    ask(world, story)


def test_a_cancelled_message_is_cancelled_at_once_and_refunded(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        before = await desk.world.balance()
        answer = await send(desk, scheduleAt=later(desk, hours=1))
        response = await desk.http.delete(f"{PATH}/{answer['id']}")
        assert response.status_code == 200
        told = response.json()
        assert told["state"] == "Cancelled"
        assert told["recipients"] == [{"phoneNumber": AMERICAN, "state": "Cancelled", "error": None}]
        assert told == await state(desk, answer["id"])
        assert await desk.world.balance() == before

    ask(world, story)


def test_what_was_sent_or_cancelled_cannot_be_cancelled(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        answer = await send(desk)
        await desk.world.deliver()
        taken = await send(desk, scheduleAt=later(desk, hours=1))
        await desk.http.delete(f"{PATH}/{taken['id']}")
        for name in (answer["id"], taken["id"]):
            response = await desk.http.delete(f"{PATH}/{name}")
            assert response.status_code == 409
            assert response.json() == {
                "message": "failed to cancel message: message is not pending",
                "code": 409,
            }

    ask(world, story)


def test_a_claimed_message_cannot_be_cancelled(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        answer = await send(desk)
        [message_id] = desk.world.lanes.take()
        await desk.world.claim(message_id)
        assert (await desk.http.delete(f"{PATH}/{answer['id']}")).status_code == 409
        assert await desk.status(message_id) == 11

    ask(world, story)


def test_of_many_recipients_those_are_cancelled_that_are_not_out_yet(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        answer = await send(desk, phoneNumbers=[KENYAN, AMERICAN])
        await desk.world.deliver(desk.world.lanes.take()[:1])
        told = (await desk.http.delete(f"{PATH}/{answer['id']}")).json()
        assert told["state"] == "Cancelled"
        assert [one["state"] for one in told["recipients"]] == ["Sent", "Cancelled"]

    ask(world, story)


def test_a_refusing_provider_is_told_with_its_reason(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        desk.world.sim.always(Rejected(Status.BLOCKED, "code 7"))
        answer = await send(desk)
        await desk.world.deliver()
        told = await state(desk, answer["id"])
        assert told["recipients"][0]["state"] == "Failed"
        assert told["recipients"][0]["error"].startswith("blocked by the carrier")

    ask(world, story)


def test_the_old_name_cancels_too(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        answer = await send(desk)
        response = await desk.http.delete(f"{BASE}/message/{answer['id']}")
        assert response.json()["state"] == "Cancelled"

    ask(world, story)
