"""A client at the API: the real router over the test's own world, without a socket."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from dispatcher.api.app import create_app
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from tests.world import World

T = TypeVar("T")


@dataclass
class ApiClient:
    """What a story at the API has in hand. `http` asks as account `shop`."""

    world: World
    http: httpx.AsyncClient

    async def status(self, message_id: int) -> int:
        return int((await self.world.row(message_id)).status)

    async def rows(self) -> int:
        row = await self.world.one(
            "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM batches)"
            " + (SELECT count(*) FROM ledger WHERE kind <> 'topup') AS n"
        )
        return int(row.n)

    async def key_of(self, account: Account) -> Mapping[str, str]:
        key = await credentials.create(self.world.ctx, account, CredentialKind.BEARER, dialect="scheduler")
        return {"Authorization": f"bearer {key.secret}"}


@asynccontextmanager
async def opened(world: World, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    router = create_app(world.settings, context=world.ctx)
    transport = httpx.ASGITransport(router, raise_app_exceptions=False)
    async with (
        router.opened(),
        httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client,
    ):
        yield client


def ask(world: World, story: Callable[[ApiClient], Awaitable[T]], *, credits: int = 10_000) -> T:
    """Open the API for one account with one sender and one key, and run the story."""

    async def main() -> T:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.BEARER, dialect="scheduler"
        )
        async with opened(world, Authorization=f"Bearer {key.secret}") as client:
            return await story(ApiClient(world, client))

    return world.run(main, credits=credits)


Body = dict[str, Any]
