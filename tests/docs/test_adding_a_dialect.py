"""The dialect of the page on adding one does what the page says of it."""

import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from dispatcher.api import app
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.messages.status import Status
from dispatcher.service.accounts import credentials
from tests.api.client import open_client
from tests.world import NUMBER, World

PAGE = Path(__file__).parents[2] / "docs" / "development" / "adding-a-dialect.md"
NAME = "dispatcher.api.dialects.postcard"


@pytest.fixture
def postcard(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Make the page's code a module, and add the page's one line."""
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType(NAME)
    sys.modules[NAME] = module
    exec(compile(source, str(PAGE), "exec"), module.__dict__)
    monkeypatch.setattr(app, "DIALECTS", (*app.DIALECTS, module.dialect))
    yield module
    del sys.modules[NAME]


def _ask(world: World, story: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        kind = CredentialKind.API_KEY
        key = await credentials.create(world.ctx, world.caller.account, kind, dialect="postcard")
        async with open_client(world, **{"X-Key": key.secret}) as client:
            await story(client)

    world.run(main)


def test_a_card_is_written_sent_and_followed(world: World, postcard: ModuleType) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        created = await client.post("/postcard/cards", json={"to": NUMBER, "text": "Wish you were here"})
        assert created.status_code == 201
        card = created.json()["card"]
        assert (await client.get(f"/postcard/cards/{card}")).json() == {"card": card, "is": "on its way"}
        await world.deliver()
        assert [seen.text for seen in world.sim.seen] == ["Wish you were here"]

    _ask(world, story)


def test_every_failure_has_its_envelope(world: World, postcard: ModuleType) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        answers = [
            await client.post("/postcard/cards", json={"to": 5}),
            await client.post("/postcard/cards", json={}, headers={"X-Key": "wrong"}),
            await client.get("/postcard/nothing"),
            await client.delete("/postcard/cards"),
            await client.post("/postcard/cards", content=b"x" * 2_000_000),
        ]
        assert [answer.status_code for answer in answers] == [400, 401, 404, 405, 413]
        assert all(list(answer.json()) == ["problem"] for answer in answers)

    _ask(world, story)


def test_the_same_key_again_writes_one_card(world: World, postcard: ModuleType) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        post = partial(client.post, "/postcard/cards", json={"to": NUMBER, "text": "x"})
        first, second = [await post(headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert first.json() == second.json()
        assert second.headers["idempotent-replayed"] == "true"

    _ask(world, story)


def test_its_page_and_the_overview_know_it(world: World, postcard: ModuleType) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert "Postcard" in (await client.get("/docs")).text
        assert "/postcard/cards" in (await client.get("/postcard/openapi.json")).json()["paths"]

    _ask(world, story)


def test_every_status_has_its_word(postcard: ModuleType) -> None:
    assert set(postcard.WORDS) == set(Status)
