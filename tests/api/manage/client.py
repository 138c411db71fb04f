"""A client at the management API, and what the tests of it share."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import MANAGE
from tests.api.client import Body, opened
from tests.world import World

T = TypeVar("T")

PREFIX = "/manage/v1"
SHOP = "/accounts/shop"
NUMBERS = ["+254712345678", "+254712345679", "+254712345680"]


@dataclass
class ManagementClient:
    """What a story has in hand. `http` asks as an operator with a token; paths are those below /manage/v1."""

    world: World
    http: httpx.AsyncClient

    async def get(self, path: str, **query: Any) -> Body:
        return await self.ask("GET", path, 200, params=query)

    async def post(self, path: str, body: Body | None = None, *, status: int = 200) -> Body:
        return await self.ask("POST", path, status, json={} if body is None else body)

    async def ask(self, method: str, path: str, status: int, **how: Any) -> Body:
        response = await self.http.request(method, PREFIX + path, **how)
        assert response.status_code == status, response.text
        answer: Body = response.json() if response.content else {}
        return answer

    async def refused(self, method: str, path: str, status: int, **how: Any) -> str:
        """Give the detail of a problem, after a look at all the rest of it."""
        response = await self.http.request(method, PREFIX + path, **how)
        assert_problem(response, status)
        return str(response.json()["detail"])

    async def walk(self, path: str, **query: Any) -> list[list[Any]]:
        """Follow the cursors to the end; give the items page by page."""
        pages: list[list[Any]] = []
        answer = await self.get(path, **query)
        pages.append(answer["items"])
        while answer["next"] is not None:
            answer = await self.get(path, **query, cursor=answer["next"])
            pages.append(answer["items"])
        return pages


def assert_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["type"] == "about:blank"
    assert problem["status"] == status


def manage(world: World, story: Callable[[ManagementClient], Awaitable[T]], *, credits: int = 10_000) -> T:
    """Open the API with one account, one sender and one operator's token, and run the story."""

    async def main() -> T:
        key = await credentials.create(world.ctx, None, CredentialKind.BEARER, dialect=MANAGE, name="robot")
        async with opened(world, Authorization=f"Bearer {key.secret}") as client:
            return await story(ManagementClient(world, client))

    return world.run(main, credits=credits)


def ids(pages: Iterable[list[Body]]) -> list[list[int]]:
    return [[item["id"] for item in items] for items in pages]
