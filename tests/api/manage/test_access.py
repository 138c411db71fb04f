"""Only operators get in, and whoever guesses is stopped."""

from base64 import b64encode
from datetime import timedelta

import httpx
import pytest
from structlog.testing import capture_logs

from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import credentials, operators
from dispatcher.service.accounts.credentials import MANAGE
from tests.api.manage.client import PREFIX, SHOP, ManagementClient, assert_problem, manage
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
def test_without_an_operators_credential_it_is_401_before_anything_is_judged(
    world: World, method: str, path: str, value: str | None
) -> None:
    async def story(office: ManagementClient) -> None:
        del office.http.headers["Authorization"]
        headers = [] if value is None else [(b"Authorization", value.encode("latin-1"))]
        response = await office.http.request(method, PREFIX + path, content=b"not json", headers=headers)
        assert_problem(response, 401)
        assert response.headers["www-authenticate"] == 'Bearer realm="manage", Basic realm="manage"'

    manage(world, story)


def test_an_accounts_own_bearer_token_does_not_open_it(world: World) -> None:
    async def story(office: ManagementClient) -> httpx.Response:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.BEARER, dialect="scheduler"
        )
        return await office.http.get(f"{PREFIX}/accounts", headers={"Authorization": f"Bearer {key.secret}"})

    assert_problem(manage(world, story), 401)


def test_a_console_login_opens_it_and_a_wrong_password_does_not(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        await operators.create(world.ctx, "ann", PASSWORD)
        path = f"{PREFIX}/accounts"
        assert (await office.http.get(path, headers=basic("ann", PASSWORD))).status_code == 200
        assert_problem(await office.http.get(path, headers=basic("ann", "wrong")), 401)
        assert_problem(await office.http.get(path, headers=basic("bob", PASSWORD)), 401)

    manage(world, story)


def test_an_address_that_failed_too_often_gets_429_even_for_the_right_password(settings_few: World) -> None:
    async def story(office: ManagementClient) -> None:
        await operators.create(office.world.ctx, "ann", PASSWORD)
        path = f"{PREFIX}/accounts"
        for _ in range(2):
            assert_problem(await office.http.get(path, headers=basic("ann", "wrong")), 401)
        for password in ("wrong", PASSWORD):
            response = await office.http.get(path, headers=basic("ann", password))
            assert_problem(response, 429)
            assert 1 <= int(response.headers["retry-after"]) <= 30
        assert (await office.http.get(path)).status_code == 200  # a token costs nothing to check

    manage(settings_few, story)


def test_an_address_that_guesses_tokens_gets_429(settings_few: World) -> None:
    async def story(office: ManagementClient) -> None:
        for status in (401, 401, 429):
            response = await office.http.get(
                f"{PREFIX}/accounts", headers={"Authorization": "Bearer sms_guess"}
            )
            assert_problem(response, status)

    manage(settings_few, story)


@pytest.fixture
def settings_few(world: World) -> World:
    """Give a world where an address may fail twice a minute."""
    return World(world.settings.model_copy(update={"address_rate_limit": 2}))


def test_a_revoked_token_and_an_expired_one_are_401(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        short = await credentials.create(
            world.ctx, None, CredentialKind.BEARER, dialect=MANAGE, validity=timedelta(days=1)
        )
        headers = {"Authorization": f"Bearer {short.secret}"}
        assert (await office.http.get(f"{PREFIX}/lanes", headers=headers)).status_code == 200
        world.time.advance(timedelta(days=1))
        assert_problem(await office.http.get(f"{PREFIX}/lanes", headers=headers), 401)
        [mine] = [o for o in (await office.get("/operators"))["items"] if o["name"] == "robot"]
        await office.ask("DELETE", f"/operators/{mine['id']}", 204)
        await office.refused("GET", "/lanes", 401)

    manage(world, story)


def test_what_an_operator_changes_is_logged_with_its_name_and_nothing_secret(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        with capture_logs() as logged:
            await office.get("/accounts")
            await office.post(f"{SHOP}/topups", {"amount": 5, "note": "private"}, status=201)
            await office.refused("POST", f"{SHOP}/topups", 400, json={"amount": 0})
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

    manage(world, story)


def test_a_body_is_json_whatever_its_content_type_says(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        path, form = f"{PREFIX}{SHOP}/senders", {"Content-Type": "application/x-www-form-urlencoded"}
        taken = await office.http.post(path, content=b'{"name": "ONE"}', headers=form)
        assert taken.status_code == 201
        assert (await office.http.post(path, content=b'{"name": "TWO"}')).status_code == 201
        xml = await office.http.post(path, content=b"<x/>", headers={"Content-Type": "text/xml"})
        assert_problem(xml, 415)
        for wrong in (
            b"",
            b"not json",
            b"[]",
            b'{"name": NaN}',
            b'{"name": "\xff"}',
            b'{"name": "a\\u0000"}',
        ):
            assert_problem(await office.http.post(path, content=wrong), 400)

    manage(world, story)


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
    async def story(office: ManagementClient) -> None:
        await office.refused(method, path, status)

    manage(world, story)


def test_a_405_names_all_methods_of_the_path(world: World) -> None:
    async def story(office: ManagementClient) -> str:
        response = await office.http.delete(f"{PREFIX}/accounts")
        return response.headers["allow"]

    assert manage(world, story) == "GET, POST"


def test_a_bug_of_ours_is_500_and_says_nothing_of_it(world: World) -> None:
    async def story(office: ManagementClient) -> httpx.Response:
        await world.all("ALTER TABLE accounts RENAME TO away")
        try:
            return await office.http.get(f"{PREFIX}/accounts")
        finally:
            await world.all("ALTER TABLE away RENAME TO accounts")

    response = manage(world, story)
    assert_problem(response, 500)
    assert response.json()["detail"] == "Internal server error"


def test_it_describes_itself_and_is_on_the_page_of_all_apis(world: World) -> None:
    async def story(office: ManagementClient) -> None:
        del office.http.headers["Authorization"]
        assert (await office.http.get(f"{PREFIX}/docs")).status_code == 200
        document = (await office.http.get(f"{PREFIX}/openapi.json")).json()
        assert document["components"]["securitySchemes"].keys() == {"token", "login"}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert operation["security"] == [{"token": []}, {"login": []}], (method, path)
                assert "application/problem+json" in operation["responses"]["401"]["content"]
                assert "422" not in operation["responses"] or path.endswith("/batches")
        assert f'href="{PREFIX}/docs"' in (await office.http.get("/docs")).text

    manage(world, story)
