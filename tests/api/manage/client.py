"""A client of the management API, shared by its tests."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import MANAGE
from tests.api.client import Body, open_client
from tests.world import World

T = TypeVar("T")

PREFIX = "/manage/v1"
SHOP = "/accounts/shop"
NUMBERS = ["+254712345678", "+254712345679", "+254712345680"]


@dataclass
class ManagementClient:
    """A client with an operator's token; paths are relative to /manage/v1."""

    world: World
    http: httpx.AsyncClient

    async def get(self, path: str, **query: Any) -> Body:
        """Return the body of a 200."""
        return await self.request("GET", path, 200, params=query)

    async def post(self, path: str, body: Body | None = None, *, status: int = 200) -> Body:
        return await self.request("POST", path, status, json={} if body is None else body)

    async def request(self, method: str, path: str, status: int, **options: Any) -> Body:
        response = await self.http.request(method, PREFIX + path, **options)
        assert response.status_code == status, response.text
        body: Body = response.json() if response.content else {}
        return body

    async def refused(self, method: str, path: str, status: int, **options: Any) -> str:
        """Return the detail of a problem, after checking the other fields."""
        response = await self.http.request(method, PREFIX + path, **options)
        assert_problem(response, status)
        return str(response.json()["detail"])

    async def pages(self, path: str, **query: Any) -> list[list[Any]]:
        """Follow the cursors to the end; return the items page by page."""
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
    assert problem.keys() - {"faults"} == {"type", "title", "status", "detail"}
    if "faults" in problem:
        assert problem["faults"]
        assert all(fault["detail"] in problem["detail"] for fault in problem["faults"])
    assert problem["type"] == "about:blank"
    assert problem["status"] == status


def run_with_api(
    world: World, story: Callable[[ManagementClient], Awaitable[T]], *, credits: int = 10_000
) -> T:
    """Open the API with one account, one sender and one operator's token, and run the story."""

    async def main() -> T:
        key = await credentials.create(world.ctx, None, CredentialKind.BEARER, dialect=MANAGE, name="robot")
        async with open_client(world, Authorization=f"Bearer {key.secret}") as client:
            return await story(ManagementClient(world, client))

    return world.run(main, credits=credits)


def ids(pages: Iterable[list[Body]]) -> list[list[int]]:
    return [[item["id"] for item in items] for items in pages]
