import asyncio
import re
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text

from dispatcher.api.app import DIALECTS, create_app
from dispatcher.domain.errors import Misconfigured
from dispatcher.settings import Settings
from tests.api.client import ApiClient, run_with_api
from tests.world import World

_SETTINGS = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1/0"}


def test_the_docs_page_lists_every_dialect_with_a_link_to_its_own(world: World) -> None:
    async def story(api: ApiClient) -> None:
        page = await api.http.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        for dialect in DIALECTS:
            assert f'<a href="{dialect.docs_url}">{dialect.title}</a>' in page.text
            assert all(f"<code>{mount.path}</code>" in page.text for mount in dialect.mounts)
            assert dialect.docs_url is not None
            assert (await api.http.get(dialect.docs_url)).status_code == 200

    run_with_api(world, story)


def test_a_dialect_that_is_switched_off_serves_nothing(settings: Settings) -> None:
    async def story(api: ApiClient) -> httpx.Response:
        return await api.http.post("/api/v1/sms", json={})

    off = World(settings.model_copy(update={"disabled_dialects": frozenset({"scheduler"})}))
    response = run_with_api(off, story)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_switching_off_an_unknown_dialect_is_an_error_at_start() -> None:
    settings = Settings(**_SETTINGS, disabled_dialects=frozenset({"schedular"}))  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match=r"unknown dialects \['schedular'\]; choose from"):
        create_app(settings)


def test_a_dialect_can_be_moved_below_another_path(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        assert (await api.http.get("/api/v1/sms/5")).headers["content-type"] == "application/problem+json"
        moved = await api.http.get("/scheduling/api/v1/sms/5")
        assert moved.json() == {"errors": {"id": ["Not found"]}}
        document = (await api.http.get("/scheduling/api/v1/openapi.json")).json()
        assert document["servers"] == [{"url": "/scheduling"}]
        overview = (await api.http.get("/docs")).text
        assert '<a href="/scheduling/api/v1/docs">' in overview
        page = await api.http.get("/scheduling/api/v1/docs")
        assert "/scheduling/api/v1/openapi.json" in page.text

    moved = settings.model_copy(update={"dialect_prefixes": {"scheduler": "/scheduling"}})
    run_with_api(World(moved), story)


def test_moving_an_unknown_dialect_is_an_error_at_start() -> None:
    settings = Settings(**_SETTINGS, dialect_prefixes={"x": "/y"})  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="DISPATCHER_DIALECT_PREFIXES"):
        create_app(settings)


def test_the_pages_load_nothing_from_elsewhere(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for dialect in DIALECTS:
            page = (await api.http.get(str(dialect.docs_url))).text
            assert "https://" not in page
            for asset in re.findall(r'(?:src|href)="([^"]+)"', page):
                assert (await api.http.get(asset)).status_code == 200, asset

    run_with_api(world, story)


def test_no_two_dialects_have_the_same_mount_point() -> None:
    create_app(Settings(**_SETTINGS))  # type: ignore[arg-type]


def test_the_dialects_have_names_of_their_own() -> None:
    assert len({dialect.name for dialect in DIALECTS}) == len(DIALECTS)


def test_a_callback_sender_that_fails_is_shown_and_started_again(world: World) -> None:
    async def rename(old: str, new: str) -> None:
        await world.ctx.database.transact(lambda c: c.execute(text(f"ALTER TABLE {old} RENAME TO {new}")))

    async def story() -> None:
        app = create_app(world.settings)
        async with (
            app.opened(),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http,
            asyncio.timeout(30),
        ):
            await rename("callbacks", "callbacks_away")  # an error that no task expects
            while "callbacks" not in (await http.get("/readyz")).text:  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.1)
            await rename("callbacks_away", "callbacks")
            caller = replace(world.caller, dialect="emsgnow")
            await world.submit(caller=caller, callback_url="https://nobody.invalid/")
            while not (await world.one("SELECT tries FROM callbacks")).tries:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    world.run(story)
