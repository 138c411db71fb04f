import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from dispatcher.api.app import create_app
from dispatcher.domain.delivery.provider import ProviderReports, ReceiptRequest
from dispatcher.sandbox.provider_options import http_options
from dispatcher.sandbox.receipts import SIGNATURE_HEADER
from dispatcher.settings import ProviderSettings, Settings
from tests.api.client import ApiClient, open_client, run_with_api
from tests.world import NUMBER, ScriptedProvider, World

PROBLEM = "application/problem+json"


async def _kept(api: ApiClient) -> int:
    return int((await api.world.one("SELECT count(*) AS n FROM receipts")).n)


def test_a_receipt_is_stored_answered_and_matched_soon_after(world: World) -> None:
    async def story(api: ApiClient) -> None:
        [message] = (await world.submit(NUMBER)).messages
        await world.deliver()
        response = await api.http.post("/receipts/sim", content=f"ref-{message.public_id}-1=13")
        assert (response.status_code, response.json()) == (200, {"received": 1})
        async with asyncio.timeout(10):
            while await api.status(message.id) != 13:
                pass

    run_with_api(world, story)


def test_a_receipt_needs_no_key_of_ours(world: World) -> None:
    async def story(api: ApiClient) -> None:
        del api.http.headers["Authorization"]
        assert (await api.http.post("/receipts/sim", content="ref=13")).status_code == 200
        assert await _kept(api) == 1

    run_with_api(world, story)


def test_an_unreadable_receipt_is_400_and_not_stored(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post("/receipts/sim", content="hello")
        assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
        assert await _kept(api) == 0

    run_with_api(world, story)


@pytest.mark.parametrize("path", ["/receipts/nobody", "/receipts", "/receipts/", "/receipts/sim/x"])
def test_a_receipt_of_an_unknown_provider_is_404(world: World, path: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(path, content="ref=13")
        assert (response.status_code, response.headers["content-type"]) == (404, PROBLEM)

    run_with_api(world, story)


def test_another_method_is_405(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.put("/receipts/sim", content="ref=13")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")

    run_with_api(world, story)


def test_too_large_a_receipt_is_413(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post("/receipts/sim", content=b"x" * 2000)
        assert (response.status_code, response.headers["content-type"]) == (413, PROBLEM)

    run_with_api(World(settings.model_copy(update={"body_limit": 1024})), story)


def test_while_postgres_is_away_a_provider_gets_503_with_retry_after(settings: Settings) -> None:
    away = World(
        settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    )

    async def story() -> None:
        async with away.open(), open_client(away) as client:
            response = await client.post("/receipts/sim", content="ref=13")
            assert response.status_code == 503
            assert (response.headers["retry-after"], response.headers["content-type"]) == ("5", PROBLEM)

    asyncio.run(story())


@pytest.mark.parametrize("ref", ["a\x00b", "x" * 5000])
def test_a_reference_that_cannot_be_stored_is_400(world: World, ref: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post("/receipts/sim", content=f"{ref}=13")
        assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
        assert await _kept(api) == 0

    run_with_api(world, story)


class CalledProvider(ScriptedProvider):
    """Remembers the URLs that its network called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        self.called.append(request.url)
        return []


@pytest.mark.parametrize("before", ["", "/in"])
@pytest.mark.parametrize(
    ("public_url", "root_path", "base"),
    [
        (None, None, "http://api"),
        (None, "/in", "http://api/in"),
        ("https://sms.example.org/in", None, "https://sms.example.org/in"),
        ("https://sms.example.org/in", "/in", "https://sms.example.org/in"),
        ("https://receipts.example.org", "/in", "https://receipts.example.org"),
    ],
)
def test_a_provider_may_sign_the_whole_url_it_called_whether_or_not_a_proxy_removes_the_root_path(
    settings: Settings, public_url: str | None, root_path: str | None, base: str, before: str
) -> None:
    if before and not (public_url or root_path):
        return
    world = World(settings.model_copy(update={"public_url": public_url, "root_path": root_path}))
    world.providers["sim"] = provider = CalledProvider()

    async def story(api: ApiClient) -> None:
        assert (await api.http.post(f"{before}/receipts/sim?id=7&x=%2B1")).status_code == 200
        assert provider.called == [f"{base}/receipts/sim?id=7&x=%2B1"]

    run_with_api(world, story)


def test_a_flood_of_refused_receipts_is_logged_once(world: World) -> None:
    async def story(api: ApiClient) -> None:
        with capture_logs() as lines:
            for _ in range(20):
                await api.http.post("/receipts/sim", content="+254712345678 said hello")
        result = [line for line in lines if line["event"] != "request_answered"]
        assert [(line["event"], line["provider"]) for line in result] == [("receipts_unreadable", "sim")]
        assert "hello" not in str(lines)

    run_with_api(world, story)


SECRET = "a receipt secret"
REPORT = json.dumps({"reports": [{"id": "sim-1", "reference": None, "status": "DELIVRD"}]}).encode()


def _signed(body: bytes) -> dict[str, str]:
    return {SIGNATURE_HEADER: hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [(_signed(REPORT), 200), (_signed(b"other"), 401), ({}, 401), ({SIGNATURE_HEADER: "no hex"}, 401)],
)
def test_only_receipts_that_the_provider_signed_are_accepted(
    settings: Settings, headers: dict[str, str], status: int
) -> None:
    options = http_options("http://127.0.0.1:1", receipt_secret=SECRET)
    provider = ProviderSettings(name="sandbox", plugin="http", options=options)

    async def main() -> httpx.Response:
        router = create_app(settings.model_copy(update={"providers": (provider,)}))
        transport = httpx.ASGITransport(router)
        async with router.opened(), httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.post("/receipts/sandbox", content=REPORT, headers=headers)

    response = asyncio.run(main())
    assert response.status_code == status
    if status == 200:
        assert response.json() == {"received": 1}


def test_a_provider_may_report_by_get_in_the_query(settings: Settings) -> None:
    options = {
        "url": "http://127.0.0.1:1",
        "receipts": {
            "source": "query",
            "ref": "id",
            "status": "stat",
            "words": {"ok": 13},
            "signature": {"kind": "none"},
        },
    }
    provider = ProviderSettings(name="old", plugin="http", options=options)

    async def main() -> httpx.Response:
        router = create_app(settings.model_copy(update={"providers": (provider,)}))
        transport = httpx.ASGITransport(router)
        async with router.opened(), httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get("/receipts/old", params={"id": "7", "stat": "ok"})

    assert asyncio.run(main()).json() == {"received": 1}
