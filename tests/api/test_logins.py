"""Wrong credentials: an address over its quota costs no query, and keeps out nobody who was let in before."""

import asyncio
from base64 import b64encode
from collections import Counter

import pytest
from structlog.testing import capture_logs

from dispatcher.api.limits.logins import AT_ONCE, LOGGED_A_MINUTE, Logins, Presented
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.service.accounts import credentials
from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.world import World

LIMIT = 5
WRONG = b64encode(b"ann:wrong").decode()
DOORS = {
    "emess": ("POST", "/api/v0/sms/send", {"Authorization": "Bearer a.b.c"}, b""),
    "emess token": ("POST", "/api/v0/auth/token", {}, b'{"appId": "ann", "secretKey": "wrong"}'),
    "emsgnow": ("POST", "/sms", {"X-API-Key": "wrong"}, b""),
    "formpost key": ("GET", "/api/v2/account/balance", {"X-API-Key": "wrong"}, b""),
    "formpost user": ("POST", "/v1/sms/send", {}, b"username=ann&password=wrong"),
    "scheduler": ("GET", "/api/v1/sms/1", {"Authorization": "Bearer wrong"}, b""),
    "smsgate": ("GET", "/api/3rdparty/v1/messages", {"Authorization": f"Basic {WRONG}"}, b""),
    "manage token": ("GET", "/manage/v1/lanes", {"Authorization": "Bearer wrong"}, b""),
    "manage login": ("GET", "/manage/v1/lanes", {"Authorization": f"Basic {WRONG}"}, b""),
}


@pytest.mark.parametrize("door", DOORS)
def test_over_its_quota_an_address_costs_no_query(settings: Settings, door: str) -> None:
    world = World(settings.model_copy(update={"address_rate_limit": LIMIT, "jwt_secret": None}))
    method, path, headers, body = DOORS[door]

    async def story() -> None:
        async with open_client(world) as client:
            for _ in range(LIMIT + 1):
                answer = await client.request(method, path, headers=headers, content=body)
            assert answer.status_code in (429, 500), answer.text  # 500: Emess without a secret signs nothing
            await world.all("ALTER TABLE credentials RENAME TO away")
            try:
                again = await client.request(method, path, headers=headers, content=body)
            finally:
                await world.all("ALTER TABLE away RENAME TO credentials")
            assert again.status_code == answer.status_code

    world.run(story)


def test_many_wrong_keys_at_once_cost_few_checks_and_a_known_client_goes_on(settings: Settings) -> None:
    world = World(settings.model_copy(update={"address_rate_limit": LIMIT}))

    async def story() -> None:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.API_KEY, dialect="emsgnow"
        )
        good = {"X-API-Key": key.secret}
        async with open_client(world) as client:
            assert (await client.get("/sms/x", headers=good)).status_code == 404
            answers = await asyncio.gather(
                *(client.get("/sms/x", headers={"X-API-Key": f"wrong{n}"}) for n in range(100))
            )
            statuses = Counter(answer.status_code for answer in answers)
            assert statuses.keys() <= {403, 429}
            assert statuses[403] <= LIMIT + AT_ONCE
            assert (await client.get("/sms/x", headers=good)).status_code == 404

    world.run(story)


def test_failures_are_logged_with_the_name_and_few_lines_a_minute() -> None:
    now = 100.0
    logins = Logins(clock=lambda: now)
    with capture_logs() as logged:
        for _ in range(LOGGED_A_MINUTE + 7):
            logins.note_failure(Presented("secret", "a\nDETAIL: b"), "10.0.0.1", NotAuthenticated("unknown"))
        assert len(logged) == LOGGED_A_MINUTE
        now += 61
        logins.note_failure(Presented("secret"), "10.0.0.2", NotAuthenticated("unknown"))
    assert logged[0]["name"] == r"a\nDETAIL: b"
    assert logged[-2] == {
        "event": "logins_failed",
        "log_level": "warning",
        "client": "10.0.0.1",
        "more": 7,
    }
    assert "secret" not in str(logged)


def test_a_request_is_logged_with_its_client_and_no_path_forges_a_line(world: World) -> None:
    async def story() -> None:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.API_KEY, dialect="emsgnow"
        )
        async with open_client(world) as client:
            with capture_logs() as logged:
                await client.get("/sms/x%0aDETAIL:%20y", headers={"X-API-Key": key.secret})
        [line] = [line for line in logged if line["event"] == "request_answered"]
        assert line["path"] == r"/sms/x\nDETAIL: y"
        assert (line["client"], line["account"], line["credential"]) == (
            "127.0.0.1",
            world.caller.account.id,
            key.id,
        )
        assert key.secret not in str(logged)

    world.run(story)


@pytest.mark.parametrize(
    "path",
    [
        "/%0aDETAIL:%20y",
        "/sms/x%0d%0aDETAIL:%20y",
        "/receipts/x%0aDETAIL:%20y",
        "/manage/v1/accounts/x%0aDETAIL:%20y/pause",
        "/api/v1/sms/%e2%80%a8DETAIL:%20y",
        "/api/3rdparty/v1/messages/%1b%5b2J",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_path_forges_a_line_at_any_door(world: World, path: str, method: str) -> None:
    async def story() -> None:
        async with open_client(world) as client:
            with capture_logs() as logged:
                await client.request(method, path, headers={"X-Request-ID": "a", "User-Agent": "b\x1bc"})
        assert [line["event"] for line in logged].count("request_answered") == 1
        assert all(
            value.isprintable() for line in logged for value in line.values() if isinstance(value, str)
        )

    world.run(story)
