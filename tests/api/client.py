"""An HTTP client of the API: the real router over the test's world, without a socket."""

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
    """A client of the API, and the world behind it. `http` is authenticated as account `shop`."""

    world: World
    http: httpx.AsyncClient

    async def status(self, message_id: int) -> int:
        """Return the status of a message."""
        return int((await self.world.row(message_id)).status)

    async def rows(self) -> int:
        """Return how many messages, batches and charges there are."""
        row = await self.world.one(
            "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM batches)"
            " + (SELECT count(*) FROM ledger WHERE kind <> 'topup') AS n"
        )
        return int(row.n)

    async def key_of(self, account: Account) -> Mapping[str, str]:
        """Return the headers with a new key of SMS Scheduler for an account."""
        key = await credentials.create(self.world.ctx, account, CredentialKind.BEARER, dialect="scheduler")
        return {"Authorization": f"bearer {key.secret}"}


@asynccontextmanager
async def open_client(world: World, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Open the API, and yield an HTTP client of it that sends these headers."""
    router = create_app(world.settings, context=world.ctx)
    transport = httpx.ASGITransport(router, raise_app_exceptions=False)
    async with (
        router.opened(),
        httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client,
    ):
        yield client


def run_with_api(world: World, story: Callable[[ApiClient], Awaitable[T]], *, credits: int = 10_000) -> T:
    """Open the API with an account, a sender and a key, and run the story."""

    async def main() -> T:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.BEARER, dialect="scheduler"
        )
        async with open_client(world, Authorization=f"Bearer {key.secret}") as client:
            return await story(ApiClient(world, client))

    return world.run(main, credits=credits)


Body = dict[str, Any]
