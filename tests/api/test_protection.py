"""The headers that protect responses in a browser."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from pydantic import SecretStr

from dispatcher.api.pages.headers import HtmlPage, add_protection
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials
from dispatcher.settings import Settings
from tests.api.client import ApiClient, run_with_api
from tests.world import World

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


@pytest.mark.parametrize(
    "path",
    ["/api/v1/sms/1", "/manage/v1/accounts", "/sms/1", "/nothing", "/healthz", "/receipts/sim", "/api/v0/x"],
)
def test_no_response_is_kept_framed_sniffed_or_loads_anything(world: World, path: str) -> None:
    async def story(api: ApiClient) -> None:
        for method in ("GET", "POST"):
            found = (await api.http.request(method, path)).headers
            assert {name: found[name] for name in EVERYWHERE} == EVERYWHERE

    run_with_api(world, story)


def test_what_a_response_says_itself_is_kept() -> None:
    raw = [(b"cache-control", b"no-cache"), (b"content-type", b"text/plain")]
    add_protection(raw)
    assert raw.count((b"cache-control", b"no-cache")) == 1
    assert len([name for name, _ in raw if name == b"cache-control"]) == 1
    assert (b"x-content-type-options", b"nosniff") in raw


def test_a_page_runs_its_own_scripts_and_no_others() -> None:
    script = "\n  const now = 1;\n"
    page = HtmlPage(f"<script src='/x.js'></script><script>{script}</script>")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in policy["script-src"]


@pytest.mark.parametrize(
    "path", ["/docs", "/api/v1/docs", "/manage/v1/docs", "/api/v2", "/api/oauth2-callback"]
)
def test_each_page_is_not_kept_and_its_policy_fits_its_scripts(world: World, path: str) -> None:
    async def story(api: ApiClient) -> None:
        page = await api.http.get(path)
        assert page.status_code == 200
        assert "no-store" in page.headers["cache-control"] or path.startswith(("/api/v2", "/api/oauth2"))
        policy = page.headers["content-security-policy"]
        for script in re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL):
            assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
        assert "onclick=" not in page.text

    run_with_api(world, story)


def test_files_of_pages_are_kept_but_asked_for_again(world: World) -> None:
    async def story(api: ApiClient) -> None:
        first = await api.http.get("/docs/assets/swagger-ui.css")
        assert first.headers["cache-control"] == "no-cache"
        again = await api.http.get(
            "/docs/assets/swagger-ui.css", headers={"If-None-Match": first.headers["etag"]}
        )
        assert again.status_code == 304

    run_with_api(world, story)


def test_no_answer_with_a_key_or_token_is_kept(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        account = api.world.caller.account
        app = await credentials.create(api.world.ctx, account, CredentialKind.APP, dialect="emess")
        user = await credentials.create(api.world.ctx, account, CredentialKind.USER, dialect="formpost")
        operator = await credentials.create(api.world.ctx, None, CredentialKind.BEARER, dialect="manage")
        bearer = {"Authorization": f"Bearer {operator.secret}"}
        login = {"username": user.name, "password": user.secret}
        answers = [
            await api.http.post("/api/v0/auth/token", json={"appId": app.name, "secretKey": app.secret}),
            await api.http.post("/api/generate-key", json=login),
            await api.http.post("/api/regenerate-key", json=login),
            await api.http.post(
                "/manage/v1/accounts/shop/credentials",
                json={"dialect": "emsgnow", "kind": "api_key"},
                headers=bearer,
            ),
        ]
        for answer in answers:
            assert answer.status_code in {200, 201}, answer.text
            assert "no-store" in answer.headers["cache-control"], answer.request.url

    run_with_api(World(settings.model_copy(update={"jwt_secret": SecretStr("x" * 40)})), story)
