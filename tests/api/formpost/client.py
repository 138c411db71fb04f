"""A client of the form and key API: an account with a user, a key, a sender, and Kenya as its country."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from sqlalchemy.engine import Row

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import NewKey
from tests.api.client import open_client
from tests.world import World

T = TypeVar("T")

V1 = "/v1/sms/send"
V2 = "/api/v2/sms/send"
BALANCE = "/api/v2/account/balance"
KEYS = ("/api/generate-key", "/api/regenerate-key", "/api/revoke-key")
SAMPLE = {"numbers": "0701234567, 0712345678", "message_body": "Hello, this is a test message."}
KENYANS = ["+254701234567", "+254712345678"]


@dataclass
class FormpostClient:
    """A client and its credentials; `http` sends none by itself."""

    world: World
    http: httpx.AsyncClient
    user: dict[str, str]
    key: dict[str, str]

    async def form(self, **changed: Any) -> httpx.Response:
        """Post the document's sample to v1 as a form; `...` removes a field."""
        return await self.http.post(V1, data=_changed(SAMPLE | self.user, changed))

    async def keyed(self, **changed: Any) -> httpx.Response:
        """Post the document's sample to v2 as JSON."""
        return await self.http.post(V2, json=_changed(SAMPLE, changed), headers=self.key)

    async def sent(self) -> Sequence[Row[tuple[object, ...]]]:
        return await self.world.all("SELECT * FROM messages ORDER BY id")

    async def batch(self) -> Row[tuple[object, ...]]:
        return await self.world.one("SELECT * FROM batches")

    async def kept(self) -> int:
        row = await self.world.one(
            "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM batches) AS n"
        )
        return int(row.n)


def _changed(whole: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (whole | changed).items() if value is not ...}


def run_with_api(
    world: World, story: Callable[[FormpostClient], Awaitable[T]], *, credits: int = 10_000
) -> T:
    async def main() -> T:
        user = await new_user(world)
        key = await new_key(world)
        async with open_client(world) as http:
            pair = {"username": str(user.name), "password": user.secret}
            return await story(FormpostClient(world, http, pair, {"X-API-Key": key.secret}))

    return world.run(main, credits=credits)


async def new_user(world: World, account: Account | None = None) -> NewKey:
    return await credentials.create(
        world.ctx, account or world.caller.account, CredentialKind.USER, dialect="formpost"
    )


async def new_key(
    world: World,
    account: Account | None = None,
    *,
    validity: timedelta | None = None,
    is_test: bool = False,
) -> NewKey:
    return await credentials.create(
        world.ctx,
        account or world.caller.account,
        CredentialKind.API_KEY,
        dialect="formpost",
        validity=validity,
        is_test=is_test,
    )
