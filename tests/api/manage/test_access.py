"""Only operators are authenticated, and guessing is limited."""

import asyncio
import re
import time
from base64 import b64encode
from collections import Counter
from datetime import timedelta

import httpx
import pytest
from structlog.testing import capture_logs

from dispatcher.api.manage import management
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials, operators
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.settings import Settings
from tests.api.manage.client import PREFIX, SHOP, ManagementClient, assert_problem, run_with_api
from tests.world import World

PASSWORD = "correct horse battery"


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"}


NOT_OPERATORS = [None, "", "Bearer", "Bearer ", "Bearer wrong", "Digest x", "sms_x", "bearer \xff"]
NOT_BASIC = ["Basic", "Basic !", "Basic YTpi", "Basic YQ==", "Basic AAA6Yg==", "Basic /zph"]


@pytest.mark.parametrize("value", [*NOT_OPERATORS, *NOT_BASIC])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/accounts"), ("POST", "/accounts"), ("DELETE", "/operators/x")]
)
def test_without_an_operators_credential_it_is_401_before_anything_is_validated(
    world: World, method: str, path: str, value: str | None
) -> None:
    async def story(api: ManagementClient) -> None:
        del api.http.headers["Authorization"]
        headers = [] if value is None else [(b"Authorization", value.encode("latin-1"))]
        response = await api.http.request(method, PREFIX + path, content=b"not json", headers=headers)
        assert_problem(response, 401)
        assert response.headers["www-authenticate"] == 'Bearer realm="manage", Basic realm="manage"'

    run_with_api(world, story)


def test_an_accounts_own_bearer_token_does_not_open_it(world: World) -> None:
    async def story(api: ManagementClient) -> httpx.Response:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.BEARER, dialect="scheduler"
        )
        return await api.http.get(f"{PREFIX}/accounts", headers={"Authorization": f"Bearer {key.secret}"})

    assert_problem(run_with_api(world, story), 401)


def test_a_console_login_is_accepted_and_a_wrong_password_is_not(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await operators.create(world.ctx, "ann", PASSWORD)
        path = f"{PREFIX}/accounts"
        assert (await api.http.get(path, headers=basic("ann", PASSWORD))).status_code == 200
        assert_problem(await api.http.get(path, headers=basic("ann", "wrong")), 401)
        assert_problem(await api.http.get(path, headers=basic("bob", PASSWORD)), 401)

    run_with_api(world, story)


def test_guesses_of_a_name_end_and_keep_nobody_else_of_the_address_out(settings_few: World) -> None:
    async def story(api: ManagementClient) -> None:
        await operators.create(api.world.ctx, "ann", PASSWORD)
        await operators.create(api.world.ctx, "bob", PASSWORD)
        path = f"{PREFIX}/accounts"
        for _ in range(2):
            assert_problem(await api.http.get(path, headers=basic("ann", "wrong")), 401)
        for password in ("wrong", PASSWORD):
            response = await api.http.get(path, headers=basic("ann", password))
            assert_problem(response, 429)
            assert 1 <= int(response.headers["retry-after"]) <= 30
        assert (await api.http.get(path, headers=basic("bob", PASSWORD))).status_code == 200
        assert (await api.http.get(path)).status_code == 200  # with a token

    run_with_api(settings_few, story)


def test_a_password_that_was_right_is_not_checked_again_and_not_locked_out(settings_few: World) -> None:
    async def story(api: ManagementClient) -> None:
        await operators.create(api.world.ctx, "ann", PASSWORD)
        path = f"{PREFIX}/accounts"
        assert (await api.http.get(path, headers=basic("ann", PASSWORD))).status_code == 200
        for status in (401, 401, 429):
            assert_problem(await api.http.get(path, headers=basic("ann", "wrong")), status)
        for _ in range(5):
            assert (await api.http.get(path, headers=basic("ann", PASSWORD))).status_code == 200

    run_with_api(settings_few, story)


def test_many_guesses_at_once_are_refused_before_they_cost_a_check(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path = f"{PREFIX}/accounts"
        answers = await asyncio.gather(
            *(api.http.get(path, headers=basic(f"name{n}", "wrong")) for n in range(50))
        )
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {401, 429}
        assert statuses[401] < 30
        assert (await api.http.get(path)).status_code == 200

    run_with_api(world, story)


def test_guesses_that_find_no_room_count_too(settings: Settings) -> None:
    world = World(settings.model_copy(update={"address_rate_limit": 20}))

    async def story(api: ManagementClient) -> None:
        path = f"{PREFIX}/accounts"
        checked = 0
        for _ in range(10):
            guesses = [api.http.get(path, headers=basic(f"name{n}", "wrong")) for n in range(30)]
            checked += [answer.status_code for answer in await asyncio.gather(*guesses)].count(401)
            started = time.perf_counter()
            probe = await api.http.get(path, headers=basic("name", "wrong"))
            if probe.status_code == 429 and time.perf_counter() - started >= 0.9:
                break  # it is refused as one of too many
            checked += probe.status_code == 401
        else:
            pytest.fail("no guess was one of too many")
        assert checked < world.settings.address_rate_limit

    run_with_api(world, story)


def test_an_address_that_guesses_tokens_gets_429(settings_few: World) -> None:
    async def story(api: ManagementClient) -> None:
        for status in (401, 401, 429):
            response = await api.http.get(f"{PREFIX}/accounts", headers={"Authorization": "Bearer sms_guess"})
            assert_problem(response, status)

    run_with_api(settings_few, story)


@pytest.fixture
def settings_few(world: World) -> World:
    """Return a world in which an address may fail twice a minute."""
    return World(world.settings.model_copy(update={"address_rate_limit": 2}))


def test_a_revoked_token_and_an_expired_one_are_401(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        short = await credentials.create(
            world.ctx, None, CredentialKind.BEARER, dialect=MANAGE, validity=timedelta(days=1)
        )
        headers = {"Authorization": f"Bearer {short.secret}"}
        assert (await api.http.get(f"{PREFIX}/lanes", headers=headers)).status_code == 200
        world.time.advance(timedelta(days=1))
        assert_problem(await api.http.get(f"{PREFIX}/lanes", headers=headers), 401)
        [mine] = [o for o in (await api.get("/operators"))["items"] if o["name"] == "robot"]
        await api.request("DELETE", f"/operators/{mine['id']}", 204)
        await api.refused("GET", "/lanes", 401)

    run_with_api(world, story)


def test_a_change_by_an_operator_is_logged_with_its_name_and_nothing_secret(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        with capture_logs() as logged:
            await api.get("/accounts")
            await api.post(f"{SHOP}/topups", {"amount": 5, "note": "private"}, status=201)
            await api.refused("POST", f"{SHOP}/topups", 400, json={"amount": 0})
        assert [line for line in logged if line["event"] == "operator_acted"] == [
            {
                "event": "operator_acted",
                "log_level": "info",
                "operator": "robot",
                "method": "POST",
                "route": f"{PREFIX}/accounts/{{name}}/topups",
            }
        ]
        assert "private" not in str(logged)

    run_with_api(world, story)


def test_a_body_is_json_whatever_its_content_type_says(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        path, form = f"{PREFIX}{SHOP}/senders", {"Content-Type": "application/x-www-form-urlencoded"}
        taken = await api.http.post(path, content=b'{"name": "ONE"}', headers=form)
        assert taken.status_code == 201
        assert (await api.http.post(path, content=b'{"name": "TWO"}')).status_code == 201
        xml = await api.http.post(path, content=b"<x/>", headers={"Content-Type": "text/xml"})
        assert_problem(xml, 415)
        for wrong in (
            b"",
            b"not json",
            b"[]",
            b'{"name": NaN}',
            b'{"name": "\xff"}',
            b'{"name": "a\\u0000"}',
        ):
            assert_problem(await api.http.post(path, content=wrong), 400)

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/accounts/", 404),
        ("GET", "/accounts/nobody", 404),
        ("GET", "/accounts/a%00b", 404),
        ("GET", "/accounts?limit=0", 400),
        ("GET", "/accounts?limit=201", 400),
        ("GET", "/accounts?cursor=!", 400),
        ("GET", "/accounts?cursor=eA", 400),
        ("GET", "/accounts?cursor=", 400),
        ("GET", "/accounts?cursor=MTIz%F0%9F%98%80", 400),
        ("DELETE", "/accounts", 405),
    ],
)
def test_every_failure_is_a_problem(world: World, method: str, path: str, status: int) -> None:
    async def story(api: ManagementClient) -> None:
        await api.refused(method, path, status)

    run_with_api(world, story)


def test_a_405_names_all_methods_of_the_path(world: World) -> None:
    async def story(api: ManagementClient) -> str:
        response = await api.http.delete(f"{PREFIX}/accounts")
        return response.headers["allow"]

    assert run_with_api(world, story) == "GET, POST"


def test_a_bug_is_500_and_shows_no_details(world: World) -> None:
    async def story(api: ManagementClient) -> httpx.Response:
        await world.all("ALTER TABLE accounts RENAME TO away")
        try:
            return await api.http.get(f"{PREFIX}/accounts")
        finally:
            await world.all("ALTER TABLE away RENAME TO accounts")

    response = run_with_api(world, story)
    assert_problem(response, 500)
    assert response.json()["detail"] == "Internal server error"


def test_it_describes_itself_and_is_on_the_page_of_all_apis(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        del api.http.headers["Authorization"]
        assert (await api.http.get(f"{PREFIX}/docs")).status_code == 200
        document = (await api.http.get(f"{PREFIX}/openapi.json")).json()
        assert document["components"]["securitySchemes"].keys() == {"token", "login"}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert operation["security"] == [{"token": []}, {"login": []}], (method, path)
                assert "application/problem+json" in operation["responses"]["401"]["content"]
                assert "422" not in operation["responses"] or path.endswith("/batches")
        assert f'href="{PREFIX}/docs"' in (await api.http.get("/docs")).text

    run_with_api(world, story)


OPERATIONS = {
    (method.upper(), path) for path, methods in management.openapi()["paths"].items() for method in methods
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")


def test_allow_has_exactly_the_methods_that_a_path_answers(world: World) -> None:
    """Of every path: a method that it has is answered, any other is 405 and names those that it has."""

    async def story(api: ManagementClient) -> None:
        for path in {path for _, path in OPERATIONS}:
            own = sorted(method for method, other in OPERATIONS if other == path)
            for method in METHODS:
                response = await api.http.request(method, re.sub(r"\{[^}]*\}", "7", path))
                if method in own:
                    assert response.status_code != 405, (method, path)
                else:
                    assert response.status_code == 405, (method, path)
                    assert response.headers["allow"] == ", ".join(own), (method, path)

    run_with_api(world, story)


def test_the_methods_of_paths_are_those_of_the_document() -> None:
    documented = management.openapi()["paths"]
    assert management.methods == {
        path: sorted(method.upper() for method in found) for path, found in documented.items()
    }
