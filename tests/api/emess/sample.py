"""A client of Emess and its request bodies, shared by the tests of this dialect."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import NewKey
from tests.api.client import ApiClient, Body, open_client
from tests.world import NUMBER, World

T = TypeVar("T")

JWT_SECRET = "x" * 40
TOKEN = "/api/v0/auth/token"
SEND = "/api/v0/sms/send"
BULK = "/api/v0/sms/bulk"
SECOND = "+254712345679"
JSON = "application/json; charset=utf-8"


@dataclass
class EmessClient(ApiClient):
    """A client with an application's id and secret; `http` sends its token."""

    app: NewKey

    def pair(self, **changed: Any) -> Body:
        return _changed({"appId": self.app.name, "secretKey": self.app.secret}, changed)

    async def send(self, **changed: Any) -> httpx.Response:
        """Send one message; `...` removes a field."""
        return await self.http.post(SEND, json=one(**changed))

    async def bulk(self, **changed: Any) -> httpx.Response:
        return await self.http.post(BULK, json=many(**changed))

    async def refused(self, path: str, body: Body) -> str:
        """Send a request that must be refused with nothing stored; return the message."""
        response = await self.http.post(path, json=body)
        assert response.status_code == 400, response.text
        assert await self.rows() == 0
        return error_message(response)


def one(**changed: Any) -> Body:
    return _changed({"number": NUMBER, "message": "Hello", "type": "standard"}, changed)


def many(**changed: Any) -> Body:
    return _changed({"numbers": [NUMBER, SECOND], "message": "Hello"}, changed)


def error_message(response: httpx.Response) -> str:
    """Return the message of an error, after checking its format."""
    assert response.headers["content-type"] == JSON
    assert list(response.json()) == ["message"]
    message = response.json()["message"]
    assert isinstance(message, str)
    return message


async def application(world: World, account: Account, **options: Any) -> NewKey:
    return await credentials.create(world.ctx, account, CredentialKind.APP, dialect="emess", **options)


async def token_of(http: httpx.AsyncClient, app: NewKey) -> str:
    response = await http.post(TOKEN, json={"appId": app.name, "secretKey": app.secret})
    assert response.status_code == 200, response.text
    return str(response.json()["token"])


async def bearer(http: httpx.AsyncClient, app: NewKey) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {await token_of(http, app)}"}


def run_with_api(world: World, story: Callable[[EmessClient], Awaitable[T]], *, credits: int = 10_000) -> T:
    """Open the API with an account, a sender and an application with a token, and run the story."""

    async def main() -> T:
        app = await application(world, world.caller.account)
        async with open_client(world) as http:
            http.headers.update(await bearer(http, app))
            return await story(EmessClient(world, http, app))

    return world.run(main, credits=credits)


def _changed(whole: Body, changed: Body) -> Body:
    return {name: value for name, value in (whole | changed).items() if value is not ...}
