"""The document's two pages, and the preflights of browsers."""

import re

import pytest

from tests.api.formpost.client import BALANCE, KEYS, V1, V2, FormpostClient, run_with_api
from tests.world import World


def test_the_swagger_page_shows_this_api(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        page = await api.http.get("/api/v2", headers={"Accept": "application/json"})
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=UTF-8"
        assert page.headers["cache-control"] == "no-cache, private"
        assert page.headers["access-control-allow-origin"] == "*"
        assert "/api/v2/openapi.json" in page.text
        assert page.content == (await api.http.get("/api/v2/docs")).content

    run_with_api(world, story)


def test_the_call_back_page_is_the_documents_and_its_script_is_there(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        page = await api.http.get("/api/oauth2-callback")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=UTF-8"
        assert page.headers["cache-control"] == "no-cache, private"
        assert page.headers["access-control-allow-origin"] == "*"
        assert page.text == (
            '<!doctype html>\n<html lang="en-US">\n<body>\n'
            '<script src="oauth2-redirect.js"></script>\n</body>\n</html>\n'
        )
        script = await api.http.get(str(page.url.join("oauth2-redirect.js")))
        assert script.status_code == 200
        assert script.headers["content-type"] == "text/javascript; charset=UTF-8"
        assert script.text.startswith("'use strict'")
        assert "swaggerUIRedirectOauth2" in script.text
        assert not re.search("</?script", script.text)

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("path", "methods"),
    [(V1, "POST"), ("/api/v1/sms/send", "POST"), (V2, "GET, POST"), (BALANCE, "GET"), (KEYS[2], "POST")],
)
def test_a_page_of_another_origin_may_call(world: World, path: str, methods: str) -> None:
    async def story(api: FormpostClient) -> None:
        asking = {
            "Origin": "http://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-key",
        }
        response = await api.http.options(path, headers=asking)
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["access-control-allow-methods"] == methods
        allowed = response.headers["access-control-allow-headers"].lower().split(", ")
        assert {"x-api-key", "authorization", "content-type", "idempotency-key"} <= set(allowed)

    run_with_api(world, story)
