"""The root path: a proxy may keep it or remove it, and every URL of ours has it."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import pytest

from dispatcher.api.app import create_app
from dispatcher.api.proxies.root_path import strip_root
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.settings import Settings
from tests.api.client import ApiClient, open_client, run_with_api
from tests.api.manage.client import NUMBERS, PREFIX, SHOP
from tests.world import World

SERVED = {"/docs", "/sms", "/sms/7", "/sms/docs", "/api/v1"}


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/sms/api/v1", "/api/v1"),
        ("/api/v1", "/api/v1"),  # the proxy has removed it
        ("/sms/sms", "/sms"),
        ("/sms", "/sms"),  # eMsgNow's own, from a proxy that has removed it
        ("/sms/7", "/sms/7"),
        ("/sms/sms/docs", "/sms/docs"),
        ("/sms/docs", "/docs"),
        ("/sms/nothing", "/sms/nothing"),
        ("/smsx", "/smsx"),
        ("/sms/", "/sms/"),
    ],
)
def test_a_path_loses_the_root_path_once_if_something_is_served_at_the_rest(path: str, local: str) -> None:
    assert strip_root(path, "/sms", is_served=SERVED.__contains__) == local


def test_without_a_root_path_nothing_is_removed() -> None:
    assert strip_root("/sms/docs", "", is_served=SERVED.__contains__) == "/sms/docs"


def _world(settings: Settings, root_path: str = "/sms", **changed: object) -> World:
    return World(settings.model_copy(update={"root_path": root_path, **changed}))


@pytest.mark.parametrize("before", ["", "/sms"])
def test_links_and_files_of_the_pages_have_the_root_path(settings: Settings, before: str) -> None:
    async def story(api: ApiClient) -> None:
        overview = await api.http.get(f"{before}/docs")
        pages = re.findall(r'href="([^"]+)"', overview.text)
        assert len(pages) == 6
        assert "<code>/sms/moved/api/v1</code>" in overview.text
        assert "/sms/moved/api/v1/docs" in pages
        for page in pages:
            files = re.findall(r'(?:src|href)="([^"]+)"', (await api.http.get(page)).text)
            assert len(files) == 3, page
            for file in files:
                assert file.startswith("/sms/docs/assets/")
                assert (await api.http.get(file)).status_code == 200

    run_with_api(_world(settings, dialect_prefixes={"scheduler": "/moved"}), story)


@pytest.mark.parametrize("before", ["", "/sms"])
def test_a_document_names_the_root_path_and_the_prefix_of_its_dialect(
    settings: Settings, before: str
) -> None:
    async def story(api: ApiClient) -> None:
        moved = (await api.http.get(f"{before}/moved/api/v1/openapi.json")).json()
        assert moved["servers"] == [{"url": "/sms/moved"}]
        other = (await api.http.get(f"{before}/manage/v1/openapi.json")).json()
        assert other["servers"] == [{"url": "/sms"}]
        catalog = await api.http.get(f"{before}/.well-known/api-catalog")
        assert catalog.json()["linkset"][0]["anchor"] == "/sms/api/3rdparty/v1"
        assert catalog.headers["link"] == '</sms/.well-known/api-catalog>; rel="api-catalog"'

    run_with_api(_world(settings, dialect_prefixes={"scheduler": "/moved"}), story)


def test_the_path_of_the_public_url_is_the_root_path(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        assert 'href="/in/api/v1/docs"' in (await api.http.get("/in/docs")).text

    run_with_api(World(settings.model_copy(update={"public_url": "https://example.org/in"})), story)


def test_the_root_path_of_the_server_is_as_good_as_the_setting(world: World) -> None:
    async def main() -> httpx.Response:
        router = create_app(world.settings, context=world.ctx)
        transport = httpx.ASGITransport(router, root_path="/given")
        async with router.opened(), httpx.AsyncClient(transport=transport, base_url="http://api") as http:
            return await http.get("/given/api/v1/openapi.json")

    assert world.run(main).json()["servers"] == [{"url": "/given"}]


def test_a_repeated_request_is_known_with_the_root_path_and_without(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        body = {
            "message_text": "Hello",
            "delivery_date": "2020-12-25 12:45:59",
            "sender_id": api.world.sender_id,
            "phone_numbers": "+254712345678",
        }
        key = {"Idempotency-Key": "once"}
        answers = [
            await api.http.post(f"{before}/api/v1/sms", json=body, headers=key) for before in ("", "/sms", "")
        ]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert len({answer.text for answer in answers}) == 1
        assert await api.rows() == 3  # a message, its batch and its charge

    run_with_api(_world(settings), story)


def test_what_a_client_says_of_a_removed_prefix_is_not_believed(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        invented: Mapping[str, str] = {"X-Forwarded-Prefix": "/sms"}
        assert "<h1>APIs</h1>" in (await api.http.get("/sms/docs", headers=invented)).text
        for prefix in ("/evil", "//evil.example"):
            page = (await api.http.get("/docs", headers={"X-Forwarded-Prefix": prefix})).text
            assert "evil" not in page

    run_with_api(_world(settings), story)


def test_a_believed_proxy_says_that_it_has_removed_the_root_path(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        said = {"X-Forwarded-Prefix": "/sms"}
        assert "eMsgNow" in (await api.http.get("/sms/docs", headers=said)).text
        assert "<h1>APIs</h1>" in (await api.http.get("/docs", headers=said)).text
        assert (await api.http.get("/sms/docs", headers=said)).text.count("/sms/docs/assets/") == 3
        page = (await api.http.get("/docs", headers={"X-Forwarded-Prefix": "/evil"})).text
        assert "evil" not in page, "a client may have written what the proxy passes on"

    run_with_api(_world(settings, forwarded_allow_ips="127.0.0.1"), story)


@pytest.mark.parametrize("root", ["", "/sms"])
def test_each_location_has_the_root_path_and_leads_to_what_was_made(settings: Settings, root: str) -> None:
    world = _world(settings, root)

    async def story() -> None:
        operator = await credentials.create(world.ctx, None, CredentialKind.BEARER, dialect="manage")
        async with open_client(world, Authorization=f"Bearer {operator.secret}") as http:
            made = [
                await http.post(f"{PREFIX}{SHOP}/batches", json={"recipients": NUMBERS, "text": "Hello"}),
                await http.post(
                    f"{PREFIX}{SHOP}/audiences", params={"audience": "all"}, content=f"to\n{NUMBERS[0]}\n"
                ),
                await http.post(
                    f"{PREFIX}{SHOP}/campaigns",
                    json={"name": "news", "audience": "all", "text": "Hello", "cron": "0 9 * * mon"},
                ),
            ]
            for one in made:
                assert one.status_code == 201, one.text
                location = urlsplit(one.headers["location"])
                assert location.path.startswith(f"{root}{PREFIX}/")
                assert (await http.get(location.path)).status_code == 200

    world.run(story)
