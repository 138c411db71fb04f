"""A client of SMS Gateway and its request bodies, shared by the tests of this dialect."""

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
from tests.api.client import ApiClient, Body, open_client
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
    """Return a world with a secret for tokens, and other changed settings."""
    return World(settings.model_copy(update={"jwt_secret": SecretStr(SECRET), **changed}))


def run_with_api(world: World, story: Scenario[T], *, credits: int = 10_000) -> T:
    """Open the API with an account, a sender and a login, and run the story."""

    async def main() -> T:
        async with open_client(world) as client:
            client.auth = await login(world, world.caller.account)
            return await story(ApiClient(world, client))

    return world.run(main, credits=credits)


async def login(world: World, account: Account) -> httpx.BasicAuth:
    kind = CredentialKind.LOGIN
    key = await credentials.create(world.ctx, account, kind, dialect="smsgate")
    return httpx.BasicAuth(str(key.name), key.secret)


def body(**changed: Any) -> Body:
    """Return the document's sample with changes; `...` removes a field."""
    whole = {
        "phoneNumbers": [AMERICAN],
        "textMessage": {"text": "Hello from API"},
        "withDeliveryReport": True,
    } | changed
    return {name: value for name, value in whole.items() if value is not ...}


async def send(api: ApiClient, **changed: Any) -> dict[str, Any]:
    response = await api.http.post(PATH, json=body(**changed))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def state(api: ApiClient, message_id: str) -> dict[str, Any]:
    response = await api.http.get(f"{PATH}/{message_id}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def refused(api: ApiClient, **changed: Any) -> str:
    """Send a request that must be refused with 400 and nothing stored; return the message."""
    response = await api.http.post(PATH, content=json.dumps(body(**changed)))
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    error = response.json()
    assert list(error) == ["message", "code"]
    assert error["code"] == 400
    assert await api.rows() == 0
    return str(error["message"])


async def token(api: ApiClient, *scopes: str, **more: Any) -> dict[str, Any]:
    response = await api.http.post(f"{BASE}/auth/token", json={"scopes": list(scopes), **more})
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def with_token(api: ApiClient, method: str, path: str, access: str, **more: Any) -> httpx.Response:
    """Send a request with a token instead of the login."""
    headers = {"Authorization": f"Bearer {access}"}
    request = api.http.build_request(method, path, headers=headers, **more)
    return await api.http.send(request, auth=None)


def later(api: ApiClient, **delta: float) -> str:
    return (api.world.time.now() + timedelta(**delta)).isoformat()
