import httpx
import pytest

from dispatcher.api.app import DIALECTS, create_app
from dispatcher.domain.errors import Misconfigured
from dispatcher.settings import Settings
from tests.api.desk import Desk, ask
from tests.world import World

_SETTINGS = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1/0"}


def test_the_docs_page_lists_every_dialect_with_a_link_to_its_own(world: World) -> None:
    async def story(desk: Desk) -> None:
        page = await desk.http.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        for door in DIALECTS:
            assert f'<a href="{door.docs_url}">{door.title}</a>' in page.text
            assert all(f"<code>{claim.path}</code>" in page.text for claim in door.claims)
            assert door.docs_url is not None
            assert (await desk.http.get(door.docs_url)).status_code == 200

    ask(world, story)


def test_a_dialect_that_is_switched_off_claims_nothing(settings: Settings) -> None:
    async def story(desk: Desk) -> httpx.Response:
        return await desk.http.post("/api/v1/sms", json={})

    off = World(settings.model_copy(update={"disabled_dialects": frozenset({"scheduler"})}))
    response = ask(off, story)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_switching_off_an_unknown_dialect_is_an_error_at_start() -> None:
    settings = Settings(**_SETTINGS, disabled_dialects=frozenset({"schedular"}))  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match=r"\['schedular'\]; there are \['scheduler'"):
        create_app(settings)


def test_all_dialects_together_have_no_equal_claims() -> None:
    create_app(Settings(**_SETTINGS))  # type: ignore[arg-type]


def test_the_dialects_have_names_of_their_own() -> None:
    assert len({door.name for door in DIALECTS}) == len(DIALECTS)
