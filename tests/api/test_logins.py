"""Wrong credentials: an address over its quota costs no query, and keeps out nobody with a right one."""

import asyncio
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from dispatcher.api.limits.logins import AT_ONCE, LOGGED_A_MINUTE, Logins, Presented
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import NotAuthenticated
from dispatcher.service.accounts import credentials, operators, tokens
from dispatcher.service.accounts.credentials import NewKey
from dispatcher.settings import Settings
from tests.api.client import open_client
from tests.world import World

LIMIT = 5
HOUR = timedelta(hours=1)
PASSWORD = "correct horse battery"
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


@dataclass(frozen=True)
class Shown:
    """A request with a credential."""

    method: str
    path: str
    headers: Mapping[str, str]


@pytest.mark.parametrize("door", DOORS)
def test_over_its_quota_an_address_costs_no_query(settings: Settings, door: str) -> None:
    world = World(settings.model_copy(update={"address_rate_limit": LIMIT, "jwt_secret": None}))
    method, path, headers, body = DOORS[door]

    async def story() -> None:
        async with open_client(world) as client:
            for _ in range(LIMIT + 1):
                answer = await client.request(method, path, headers=headers, content=body)
            assert answer.status_code in (429, 500), answer.text  # 500: Emess without a secret signs nothing
            failed = world.ctx.failed_logins.last_hour(world.time.now())
            assert failed.most == failed.count == (LIMIT if answer.status_code == 429 else 0)
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


KINDS = {
    "emsgnow": CredentialKind.API_KEY,
    "formpost": CredentialKind.API_KEY,
    "formpost user": CredentialKind.USER,
    "scheduler": CredentialKind.BEARER,
    "smsgate": CredentialKind.LOGIN,
    "manage": CredentialKind.BEARER,
}


def _shown(door: str, key: NewKey) -> Shown:
    """Return the path, headers and body with this credential."""
    basic = {"Authorization": f"Basic {b64encode(f'{key.name}:{key.secret}'.encode()).decode()}"}
    return {
        "emsgnow": Shown("GET", "/sms/x", {"X-API-Key": key.secret}),
        "formpost": Shown("GET", "/api/v2/account/balance", {"X-API-Key": key.secret}),
        "formpost user": Shown("POST", f"/v1/sms/send?username={key.name}&password={key.secret}", {}),
        "scheduler": Shown("GET", "/api/v1/sms/1", {"Authorization": f"Bearer {key.secret}"}),
        "smsgate": Shown("GET", "/api/3rdparty/v1/messages", basic),
        "manage": Shown("GET", "/manage/v1/lanes", {"Authorization": f"Bearer {key.secret}"}),
    }[door]


async def _fail_too_often(client: httpx.AsyncClient, door: str) -> None:
    """Fail at this door until the address is over its quota."""
    for n in range(3 * LIMIT):
        shown = _shown(door, NewKey(0, f"name{n}", f"sms_wrong{n}", None))
        answer = await client.request(shown.method, shown.path, headers=shown.headers)
    assert answer.status_code == 429, answer.text


@pytest.mark.parametrize("door", KINDS)
def test_a_right_secret_is_let_in_whatever_its_address_did(settings: Settings, door: str) -> None:
    world = World(settings.model_copy(update={"address_rate_limit": LIMIT}))
    dialect = door.partition(" ")[0]

    async def story() -> None:
        owner = None if dialect == "manage" else world.caller.account
        keys = [await credentials.create(world.ctx, owner, KINDS[door], dialect=dialect) for _ in range(2)]
        async with open_client(world) as client:
            await _fail_too_often(client, door)
            for key in keys:
                shown = _shown(door, key)
                answer = await client.request(shown.method, shown.path, headers=shown.headers)
                assert answer.status_code not in (401, 403, 429), answer.text

    world.run(story)


def test_a_signed_token_and_a_refresh_token_are_let_in_whatever_their_address_did(settings: Settings) -> None:
    changed = {"address_rate_limit": LIMIT, "jwt_secret": SecretStr("x" * 40)}
    world = World(settings.model_copy(update=changed))

    async def story() -> None:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.LOGIN, dialect="smsgate"
        )
        caller = await credentials.by_pair(
            world.ctx, CredentialKind.LOGIN, str(key.name), key.secret, dialect="smsgate"
        )
        issued = await tokens.issue(world.ctx, caller, validity=HOUR, refresh_for=HOUR)
        path, bearer = "/api/3rdparty/v1/messages", {"Authorization": f"Bearer {issued.access}"}
        async with open_client(world) as client:
            for n in range(3 * LIMIT):
                wrong = await client.get(path, headers={"Authorization": f"Bearer a.b.{n}"})
            assert wrong.status_code == 429
            assert (await client.get(path, headers=bearer)).status_code == 200
            refresh = {"Authorization": f"Bearer {issued.refresh}"}
            answer = await client.post("/api/3rdparty/v1/auth/token/refresh", headers=refresh)
            assert answer.status_code == 201, answer.text

    world.run(story)


def test_a_right_password_is_let_in_though_its_address_guesses_names_and_no_answer_shows_a_name(
    settings: Settings,
) -> None:
    world = World(settings.model_copy(update={"address_rate_limit": LIMIT}))

    async def story() -> None:
        for name in ("ann", "bob"):
            await operators.create(world.ctx, name, PASSWORD)
        async with open_client(world) as client:

            async def log_in(name: str, password: str) -> tuple[int, str, float]:
                started = time.perf_counter()
                answer = await client.get("/manage/v1/lanes", auth=(name, password))
                return answer.status_code, answer.text, time.perf_counter() - started

            for n in range(LIMIT):
                await log_in(f"name{n}", "wrong")
            one = await log_in("bob", "wrong")
            other = await log_in("nobody", "wrong")
            assert one[:2] == other[:2]
            assert one[0] == 429
            assert min(one[2], other[2]) >= 0.9
            assert (await log_in("ann", PASSWORD))[0] == 200

    world.run(story)


def _basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("dialect", "path"), [("emsgnow", "/sms/x"), ("formpost", "/api/v2/account/balance")]
)
def test_only_what_was_checked_is_remembered(settings: Settings, dialect: str, path: str) -> None:
    """A key that is right makes no password right that comes beside it, and is not refused because of it."""
    world = World(settings.model_copy(update={"address_rate_limit": LIMIT}))

    async def story() -> None:
        await operators.create(world.ctx, "bob", PASSWORD)
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.API_KEY, dialect=dialect
        )
        async with open_client(world) as client:
            for _ in range(LIMIT + 1):
                await client.get("/manage/v1/lanes", headers=_basic("bob", "a guess"))
            beside = await client.get(path, headers={"X-API-Key": key.secret, **_basic("bob", PASSWORD)})
            assert beside.status_code in (200, 404), beside.text
            assert (await client.get("/manage/v1/lanes", headers=_basic("bob", PASSWORD))).status_code == 429

    world.run(story)


def test_a_right_key_at_a_wrong_door_stays_right_at_its_own(settings: Settings) -> None:
    world = World(settings.model_copy(update={"address_rate_limit": LIMIT}))

    async def story() -> None:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.BEARER, dialect="scheduler"
        )
        bearer = {"Authorization": f"Bearer {key.secret}"}
        async with open_client(world) as client:
            await _fail_too_often(client, "scheduler")
            for wrong in ("/sms/x", "/manage/v1/lanes"):
                answer = await client.get(wrong, headers={"X-API-Key": key.secret, **bearer})
                assert answer.status_code == 429
            assert (await client.get("/api/v1/sms/1", headers=bearer)).status_code == 404

    world.run(story)


def test_a_stolen_refresh_token_ends_its_family_whatever_the_address_did(settings: Settings) -> None:
    changed = {"address_rate_limit": LIMIT, "jwt_secret": SecretStr("x" * 40)}
    world = World(settings.model_copy(update=changed))
    path = "/api/3rdparty/v1"

    async def story() -> None:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.LOGIN, dialect="smsgate"
        )
        caller = await credentials.by_pair(
            world.ctx, CredentialKind.LOGIN, str(key.name), key.secret, dialect="smsgate"
        )
        first = await tokens.issue(world.ctx, caller, validity=HOUR, refresh_for=HOUR)
        refresh = {"Authorization": f"Bearer {first.refresh}"}
        async with open_client(world) as thief, open_client(world) as victim:  # of two processes
            stolen = (await thief.post(f"{path}/auth/token/refresh", headers=refresh)).json()["access_token"]
            for n in range(3 * LIMIT):
                await victim.get(f"{path}/messages", headers={"Authorization": f"Bearer a.b.{n}"})
            bearer = {"Authorization": f"Bearer {stolen}"}
            assert (await thief.get(f"{path}/messages", headers=bearer)).status_code == 200
            assert (await victim.post(f"{path}/auth/token/refresh", headers=refresh)).status_code == 429
            assert (await thief.get(f"{path}/messages", headers=bearer)).status_code in (401, 429)

    world.run(story)


def test_a_revoked_key_costs_one_query_in_a_while_of_an_address_over_its_quota(settings: Settings) -> None:
    world = World(settings.model_copy(update={"address_rate_limit": LIMIT}))

    async def story() -> None:
        key = await credentials.create(
            world.ctx, world.caller.account, CredentialKind.BEARER, dialect="scheduler"
        )
        shown = _shown("scheduler", key)
        async with open_client(world) as client:
            assert (await client.get(shown.path, headers=shown.headers)).status_code == 404
            await _fail_too_often(client, "scheduler")
            await credentials.revoke(world.ctx, world.caller.account, key.id)
            await client.get(shown.path, headers=shown.headers)
            await world.all("ALTER TABLE credentials RENAME TO away")
            try:
                assert (await client.get(shown.path, headers=shown.headers)).status_code == 429
            finally:
                await world.all("ALTER TABLE away RENAME TO credentials")

    world.run(story)


def test_failures_are_logged_with_the_name_and_few_lines_a_minute() -> None:
    now = 100.0
    logins = Logins(clock=lambda: now)
    with capture_logs() as logged:
        for _ in range(LOGGED_A_MINUTE + 7):
            logins.note_failure(
                Presented("emess", "secret", "a\nDETAIL: b"), "10.0.0.1", NotAuthenticated("unknown")
            )
        assert len(logged) == LOGGED_A_MINUTE
        now += 61
        logins.note_failure(Presented("emess", "secret"), "10.0.0.2", NotAuthenticated("unknown"))
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
