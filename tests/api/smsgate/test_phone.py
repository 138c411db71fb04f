"""SMS Gateway's phone: one device, its settings, and the log that there is not."""

import pytest

from dispatcher.service.accounts import accounts
from dispatcher.settings import Settings
from dispatcher.store.migrate import newest_revision
from tests.api.client import ApiClient
from tests.api.smsgate.client import BASE, NOBODY, PATH, ask, body, with_settings
from tests.world import World

_BASES = [BASE, "/3rdparty/v1"]


@pytest.mark.parametrize("base", _BASES)
@pytest.mark.parametrize("name", ["devices", "device"])
def test_there_is_one_device_with_the_accounts_senders_as_sims(world: World, base: str, name: str) -> None:
    async def story(desk: ApiClient) -> None:
        for extra in ("SECOND", "THIRD", "FOURTH"):
            await accounts.add_sender(desk.world.ctx, desk.world.caller.account, extra)
        [device] = (await desk.http.get(f"{base}/{name}")).json()
        assert list(device) == ["id", "name", "createdAt", "updatedAt", "lastSeen", "simCards"]
        assert (len(device["id"]), device["name"]) == (21, "shop")
        sims = [(sim["slotIndex"], sim["simNumber"], sim["phoneNumber"]) for sim in device["simCards"]]
        assert sims == [(0, 1, "SHOP"), (1, 2, "SECOND"), (2, 3, "THIRD")]

    ask(world, story)


def test_the_device_keeps_its_age_and_is_seen_just_now(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        [before] = (await desk.http.get(f"{BASE}/devices")).json()
        desk.world.time.at = desk.world.time.at.replace(year=2030)
        [after] = (await desk.http.get(f"{BASE}/devices")).json()
        assert (before["id"], before["createdAt"]) == (after["id"], after["createdAt"])
        assert after["lastSeen"].startswith("2030")

    ask(world, story)


def test_the_device_can_be_removed_and_is_there_again(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        [device] = (await desk.http.get(f"{BASE}/devices")).json()
        response = await desk.http.delete(f"{BASE}/devices/{device['id']}")
        assert (response.status_code, response.content) == (204, b"")
        assert (await desk.http.get(f"{BASE}/devices")).json()[0]["id"] == device["id"]
        response = await desk.http.delete(f"{BASE}/device/PyDmBQZZXYmyxMwED8Fzy")
        assert (response.status_code, response.json()) == (404, {"message": "record not found", "code": 404})

    ask(world, story)


def test_settings_show_the_key_that_signs_webhooks_and_take_changes_without_effect(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        secret = await accounts.callback_secret(desk.world.ctx, desk.world.caller.account)
        shown = (await desk.http.get(f"{BASE}/settings")).json()
        assert shown["webhooks"]["signing_key"] == secret
        change = {"webhooks": {"signing_key": "mine"}, "messages": {"limit_period": "PerDay"}}
        for method in ("PUT", "PATCH"):
            response = await desk.http.request(method, f"{BASE}/settings", json=change)
            assert (response.status_code, response.json()) == (200, shown)
            response = await desk.http.request(method, f"{BASE}/settings", content=b"[]")
            assert response.status_code == 400

    ask(world, story)


@pytest.mark.parametrize("path", ["logs", "logs?from=x"])
def test_there_is_no_log(world: World, path: str) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.get(f"{BASE}/{path}")
        assert (response.status_code, response.json()["code"]) == (501, 501)

    ask(world, story)


@pytest.mark.parametrize(
    ("path", "is_old"),
    [
        ("inbox/refresh", False),
        ("inbox/export", True),
        ("messages/inbox/export", True),
        ("message/inbox/export", True),
    ],
)
def test_a_refresh_of_the_inbox_is_accepted_and_the_old_names_say_they_are_old(
    world: World, path: str, is_old: bool
) -> None:
    async def story(desk: ApiClient) -> None:
        period = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
        response = await desk.http.post(f"{BASE}/{path}", json=period)
        assert (response.status_code, response.json()) == (202, {})
        assert response.headers.get("deprecation") == ("true" if is_old else None)

    ask(world, story)


@pytest.mark.parametrize("base", _BASES)
@pytest.mark.parametrize("path", ["health", "health/ready", "health/startup", "health/live"])
def test_health_is_told_to_anybody(world: World, base: str, path: str) -> None:
    async def story(desk: ApiClient) -> None:
        desk.http.auth = NOBODY
        response = await desk.http.get(f"{base}/{path}")
        told = response.json()
        assert (response.status_code, list(told)) == (200, ["status", "version", "releaseId", "checks"])
        assert told["status"] == ("pass" if path == "health/live" else "warn")  # no lane consumes here

    ask(world, story)


def test_health_is_503_while_the_database_is_behind_and_the_process_lives(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        desk.http.auth = NOBODY
        await desk.world.all("UPDATE alembic_version SET version_num = '0000'")
        try:
            for path, code in [("", 503), ("/ready", 503), ("/startup", 503), ("/live", 200)]:
                assert (await desk.http.get(f"{BASE}/health{path}")).status_code == code
            told = (await desk.http.get(f"{BASE}/health")).json()
            assert (told["status"], told["checks"]["database"]["status"]) == ("fail", "fail")
        finally:
            await desk.world.all("UPDATE alembic_version SET version_num = :at", at=newest_revision())

    ask(with_settings(settings), story)


def test_the_catalogue_that_every_answer_names_is_there(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        desk.http.auth = NOBODY
        answer = await desk.http.get(f"/moved{BASE}/health/live")
        assert answer.headers["link"] == '</moved/.well-known/api-catalog>; rel="api-catalog"'
        response = await desk.http.get("/moved/.well-known/api-catalog")
        assert response.headers["content-type"].startswith("application/linkset+json")
        [links] = response.json()["linkset"]
        assert links["anchor"] == f"/moved{BASE}"
        for name in ("service-desc", "service-doc", "status"):
            assert (await desk.http.get(links[name][0]["href"])).status_code == 200

    ask(with_settings(settings, dialect_prefixes={"smsgate": "/moved"}), story)


def test_a_moved_dialect_tells_where_its_messages_are(settings: Settings) -> None:
    async def story(desk: ApiClient) -> None:
        response = await desk.http.post(f"/moved{PATH}", json=body())
        assert response.headers["location"] == f"/moved{PATH}/{response.json()['id']}"
        assert (await desk.http.get(response.headers["location"])).status_code == 200

    ask(with_settings(settings, dialect_prefixes={"smsgate": "/moved"}), story)
