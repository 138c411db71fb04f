"""SMS Gateway returns the state of a message, and cancels it."""

from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Rejected
from dispatcher.domain.messages.status import Status
from tests.api.client import ApiClient
from tests.api.smsgate.client import AMERICAN, BASE, KENYAN, PATH, later, login, run_with_api, send, state
from tests.world import World

_NOT_FOUND = {"message": "message not found", "code": 404}


async def _becomes(api: ApiClient, status: int, *, reason: str = "", number: str | None = None) -> None:
    """Set the status of messages, with its event, as workers do."""
    await api.world.all(
        "WITH moved AS (UPDATE messages SET status = :status, place = NULL, wake_at = NULL, seq = seq + 1,"
        " reason = :reason WHERE CAST(:number AS text) IS NULL OR number = :number RETURNING *)"
        " INSERT INTO message_events (message_id, seq, at, status, attempt, reason)"
        " SELECT id, seq, :at, status, 0, reason FROM moved",
        status=status,
        reason=reason,
        number=number,
        at=api.world.time.now() + timedelta(seconds=1),
    )


def test_a_message_is_followed_to_delivered(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api)
        await api.world.deliver()
        assert (await state(api, answer["id"]))["state"] == "Sent"
        await _becomes(api, Status.RECEIVED)
        result = await state(api, answer["id"])
        assert result == {
            "id": answer["id"],
            "deviceId": answer["deviceId"],
            "state": "Delivered",
            "isHashed": False,
            "isEncrypted": False,
            "recipients": [{"phoneNumber": AMERICAN, "state": "Delivered", "error": None}],
            "states": result["states"],
            "createdAt": answer["createdAt"],
            "textMessage": {"text": "Hello from API"},
        }
        assert list(result["states"]) == ["Pending", "Sent", "Delivered"]

    run_with_api(world, story)


def test_the_documents_answer_is_contained(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api)
        result = await state(api, answer["id"])
        assert {"id", "state", "recipients"} <= set(result)
        assert result["recipients"] == [{"phoneNumber": AMERICAN, "state": "Pending", "error": None}]

    run_with_api(world, story)


def test_a_failed_recipient_has_an_error_and_the_message_a_state_of_all(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api, phoneNumbers=[KENYAN, AMERICAN])
        await _becomes(api, Status.INVALID_NUMBER, reason="21614", number=AMERICAN)
        result = await state(api, answer["id"])
        assert result["state"] == "Pending"
        await _becomes(api, Status.EXPIRED, reason="its window is over", number=KENYAN)
        result = await state(api, answer["id"])
        assert result["state"] == "Failed"
        assert [one["error"] for one in result["recipients"]] == [
            "TTL expired",
            "invalid phone number: 21614",
        ]
        assert list(result["states"]) == ["Pending", "Failed"]

    run_with_api(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "name",
    ["x", "0", "", "%00", "a%00b", "%ff", "c6f1f7cc-97c1-44a2-99fb-83c4b3f9ef4c", "inbox/other", "9" * 500],
)
def test_an_unknown_id_is_not_found(world: World, method: str, name: str) -> None:
    async def story(api: ApiClient) -> None:
        await send(api)
        response = await api.http.request(method, f"{PATH}/{name}")
        assert (response.status_code, response.json()) == (404, _NOT_FOUND)

    run_with_api(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_accounts_ids_are_not_found(world: World, method: str) -> None:
    async def story(api: ApiClient) -> None:
        ids = [(await send(api))["id"], (await send(api, id="mine"))["id"]]
        other = await api.world.another_account("other")
        api.http.auth = await login(api.world, other.account)
        for name in ids:
            response = await api.http.request(method, f"{PATH}/{name}")
            assert (response.status_code, response.json()) == (404, _NOT_FOUND)
        assert {row.status for row in await api.world.all("SELECT status FROM messages")} == {11}

    run_with_api(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_ids_of_another_dialect_of_the_same_account_are_not_found(world: World, method: str) -> None:
    async def story(api: ApiClient) -> None:
        batch = await api.world.submit(KENYAN, after=timedelta(hours=1))
        response = await api.http.request(method, f"{PATH}/{batch.public_id}")
        assert response.status_code == 404
        assert await api.status(batch.messages[0].id) == 10

    run_with_api(world, story)


def test_a_cancelled_message_is_cancelled_at_once_and_refunded(world: World) -> None:
    async def story(api: ApiClient) -> None:
        before = await api.world.balance()
        answer = await send(api, scheduleAt=later(api, hours=1))
        response = await api.http.delete(f"{PATH}/{answer['id']}")
        assert response.status_code == 200
        result = response.json()
        assert result["state"] == "Cancelled"
        assert result["recipients"] == [{"phoneNumber": AMERICAN, "state": "Cancelled", "error": None}]
        assert result == await state(api, answer["id"])
        assert await api.world.balance() == before

    run_with_api(world, story)


def test_a_sent_or_cancelled_message_cannot_be_cancelled(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api)
        await api.world.deliver()
        taken = await send(api, scheduleAt=later(api, hours=1))
        await api.http.delete(f"{PATH}/{taken['id']}")
        for name in (answer["id"], taken["id"]):
            response = await api.http.delete(f"{PATH}/{name}")
            assert response.status_code == 409
            assert response.json() == {
                "message": "failed to cancel message: message is not pending",
                "code": 409,
            }

    run_with_api(world, story)


def test_a_claimed_message_cannot_be_cancelled(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api)
        [message_id] = api.world.lanes.take()
        await api.world.claim(message_id)
        assert (await api.http.delete(f"{PATH}/{answer['id']}")).status_code == 409
        assert await api.status(message_id) == 11

    run_with_api(world, story)


def test_of_many_recipients_those_are_cancelled_that_are_not_out_yet(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api, phoneNumbers=[KENYAN, AMERICAN])
        await api.world.deliver(api.world.lanes.take()[:1])
        result = (await api.http.delete(f"{PATH}/{answer['id']}")).json()
        assert result["state"] == "Cancelled"
        assert [one["state"] for one in result["recipients"]] == ["Sent", "Cancelled"]

    run_with_api(world, story)


def test_a_refusing_provider_is_shown_with_its_reason(world: World) -> None:
    async def story(api: ApiClient) -> None:
        api.world.sim.always(Rejected(Status.BLOCKED, "code 7"))
        answer = await send(api)
        await api.world.deliver()
        result = await state(api, answer["id"])
        assert result["recipients"][0]["state"] == "Failed"
        assert result["recipients"][0]["error"].startswith("blocked by the carrier")

    run_with_api(world, story)


def test_the_old_name_cancels_too(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api)
        response = await api.http.delete(f"{BASE}/message/{answer['id']}")
        assert response.json()["state"] == "Cancelled"

    run_with_api(world, story)
