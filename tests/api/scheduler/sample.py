"""The document's sample request with changes, shared by the tests of SMS Scheduler."""

from datetime import timedelta
from typing import Any

from tests.api.client import ApiClient, Body

PATH = "/api/v1/sms"
FRENCH = "+33612345678"
FIXED_LINE = "+330101010101"
INVALID = "The following phone number is invalid: {}"


def body(api: ApiClient, **changed: Any) -> Body:
    """Return the document's sample with valid numbers; `...` removes a field."""
    whole = {
        "message_text": "Hello world",
        "message_stop": False,
        "delivery_date": "2020-12-25 12:45:59",
        "sender_id": api.world.sender_id,
        "phone_numbers": [FRENCH],
    } | changed
    return {name: value for name, value in whole.items() if value is not ...}


async def create(api: ApiClient, **changed: Any) -> tuple[int, dict[str, list[int]]]:
    response = await api.http.post(PATH, json=body(api, **changed))
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["message_id"], answer["sms_ids"]


async def create_one(api: ApiClient, **changed: Any) -> int:
    _, ids = await create(api, **changed)
    return ids[FRENCH][0]


async def refused(api: ApiClient, **changed: Any) -> dict[str, list[str]]:
    response = await api.http.post(PATH, json=body(api, **changed))
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert list(response.json()) == ["errors"]
    assert await api.rows() == 0
    errors: dict[str, list[str]] = response.json()["errors"]
    return errors


def later(api: ApiClient, hours: float = 1) -> str:
    at = api.world.time.now() + timedelta(hours=hours)
    return at.strftime("%Y-%m-%d %H:%M:%S")
