"""The document's sample request with changes, shared by the tests of eMsgNow."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.delivery.provider import ReceiptRequest
from dispatcher.service.accounts import credentials
from dispatcher.service.receipts import ingest
from dispatcher.service.submissions import templates
from tests.api.client import ApiClient, Body, open_client
from tests.world import World

T = TypeVar("T")

PATH = "/sms"
TO = "+1234567890"
TEXT = "Hello, this is a test SMS message."
JSON = "application/json; charset=utf-8"
QUOTA = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


def run_with_api(world: World, story: Callable[[ApiClient], Awaitable[T]], *, credits: int = 10_000) -> T:
    """Open the API with an account, a sender and a key, and run the story."""

    async def main() -> T:
        key = await key_of(world, world.caller.account)
        async with open_client(world, **key) as client:
            return await story(ApiClient(world, client))

    return world.run(main, credits=credits)


async def key_of(world: World, account: Account, **more: Any) -> Mapping[str, str]:
    key = await credentials.create(world.ctx, account, CredentialKind.API_KEY, dialect="emsgnow", **more)
    return {"x-api-key": key.secret}


def caller_of(world: World) -> Caller:
    """Return the caller of the world's account in this dialect."""
    return replace(world.caller, dialect="emsgnow")


def body(**changed: Any) -> Body:
    """Return the document's sample with an existing sender; `...` removes a field."""
    whole = {"to": TO, "from": "SHOP", "message": TEXT} | changed
    return {name: value for name, value in whole.items() if value is not ...}


async def send(api: ApiClient, **changed: Any) -> str:
    response = await api.http.post(PATH, json=body(**changed))
    assert response.status_code == 200, response.text
    return str(response.json()["trackingId"])


async def refused(api: ApiClient, **changed: Any) -> str:
    response = await api.http.post(PATH, content=json.dumps(body(**changed)))
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == JSON
    assert list(response.json()) == ["error"]
    assert await api.rows() == 0
    return str(response.json()["error"])


async def details(api: ApiClient, tracking_id: str) -> Body:
    response = await api.http.get(f"{PATH}/{tracking_id}")
    assert response.status_code == 200, response.text
    answer: Body = response.json()
    return answer


async def deliver(api: ApiClient, tracking_id: str, status: int = 13) -> None:
    """Send the message, and take a receipt for it."""
    await api.world.deliver()
    row = await api.world.one(
        "SELECT s.ref FROM provider_references s JOIN messages m ON m.id = s.message_id"
        " WHERE m.public_id = CAST(:id AS uuid)",
        id=tracking_id,
    )
    request = ReceiptRequest(method="POST", headers={}, query={}, body=f"{row.ref}={status}".encode())
    await ingest.receive(api.world.ctx, "sim", request)
    await ingest.match(api.world.ctx)


async def template(api: ApiClient, text: str) -> str:
    made = await templates.create(api.world.ctx, api.world.caller.account, text[:50], text)
    return made.public_id


def later(api: ApiClient, **by: float) -> str:
    return format_time(api.world.time.now() + timedelta(**by))


def format_time(at: datetime) -> str:
    """Return a time in the document's format."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"
