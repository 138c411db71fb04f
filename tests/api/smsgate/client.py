"""A client of SMS Gateway at the API: what its tests share."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.settings import Settings
from tests.api.client import ApiClient, Body, opened
from tests.world import World

T = TypeVar("T")

BASE = "/api/3rdparty/v1"
PATH = f"{BASE}/messages"
KENYAN = "+254712345678"
AMERICAN = "+12025550100"
FIXED_LINE = "+254202345678"
SECRET = "a secret of more than thirty-two characters"
NOBODY = httpx.Auth()

Scenario = Callable[[ApiClient], Awaitable[T]]


def with_settings(settings: Settings, **changed: object) -> World:
    """Give a world with a secret for tokens, and whatever else is changed."""
    return World(settings.model_copy(update={"jwt_secret": SecretStr(SECRET), **changed}))


def ask(world: World, story: Scenario[T], *, credits: int = 10_000) -> T:
    """Open the API for one account with one sender and one login, and run the story."""

    async def main() -> T:
        async with opened(world) as client:
            client.auth = await login(world, world.caller.account)
            return await story(ApiClient(world, client))

    return world.run(main, credits=credits)


async def login(world: World, account: Account) -> httpx.BasicAuth:
    kind = CredentialKind.LOGIN
    key = await credentials.create(world.ctx, account, kind, dialect="smsgate")
    return httpx.BasicAuth(str(key.name), key.secret)


def body(**changed: Any) -> Body:
    """Give the document's sample with changes; ... takes a field out."""
    whole = {
        "phoneNumbers": [AMERICAN],
        "textMessage": {"text": "Hello from API"},
        "withDeliveryReport": True,
    } | changed
    return {name: value for name, value in whole.items() if value is not ...}


async def send(desk: ApiClient, **changed: Any) -> dict[str, Any]:
    response = await desk.http.post(PATH, json=body(**changed))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def state(desk: ApiClient, message_id: str) -> dict[str, Any]:
    response = await desk.http.get(f"{PATH}/{message_id}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def refused(desk: ApiClient, **changed: Any) -> str:
    """Send what is refused with 400; give the text, after seeing that nothing was kept."""
    response = await desk.http.post(PATH, content=json.dumps(body(**changed)))
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    told = response.json()
    assert list(told) == ["message", "code"]
    assert told["code"] == 400
    assert await desk.rows() == 0
    return str(told["message"])


async def token(desk: ApiClient, *scopes: str, **more: Any) -> dict[str, Any]:
    response = await desk.http.post(f"{BASE}/auth/token", json={"scopes": list(scopes), **more})
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def with_token(desk: ApiClient, method: str, path: str, access: str, **more: Any) -> httpx.Response:
    """Ask by token in place of the login."""
    headers = {"Authorization": f"Bearer {access}"}
    request = desk.http.build_request(method, path, headers=headers, **more)
    return await desk.http.send(request, auth=None)


def later(desk: ApiClient, **delta: float) -> str:
    return (desk.world.time.now() + timedelta(**delta)).isoformat()
