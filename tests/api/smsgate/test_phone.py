"""SMS Gateway's phone: one device, its settings, and the log that there is not."""

import pytest

from dispatcher.service.accounts import accounts, callback_secrets
from dispatcher.settings import Settings
from dispatcher.store.migrate import newest_revision
from tests.api.client import ApiClient
from tests.api.smsgate.client import BASE, NOBODY, PATH, body, run_with_api, with_settings
from tests.world import World

_BASES = [BASE, "/3rdparty/v1"]


@pytest.mark.parametrize("base", _BASES)
@pytest.mark.parametrize("name", ["devices", "device"])
def test_there_is_one_device_with_the_accounts_senders_as_sims(world: World, base: str, name: str) -> None:
    async def story(api: ApiClient) -> None:
        for extra in ("SECOND", "THIRD", "FOURTH"):
            await accounts.add_sender(api.world.ctx, api.world.caller.account, extra)
        [device] = (await api.http.get(f"{base}/{name}")).json()
        assert list(device) == ["id", "name", "createdAt", "updatedAt", "lastSeen", "simCards"]
        assert (len(device["id"]), device["name"]) == (21, "shop")
        sims = [(sim["slotIndex"], sim["simNumber"], sim["phoneNumber"]) for sim in device["simCards"]]
        assert sims == [(0, 1, "SHOP"), (1, 2, "SECOND"), (2, 3, "THIRD")]

    run_with_api(world, story)


def test_the_device_keeps_its_age_and_is_seen_just_now(world: World) -> None:
    async def story(api: ApiClient) -> None:
        [before] = (await api.http.get(f"{BASE}/devices")).json()
        api.world.time.at = api.world.time.at.replace(year=2030)
        [after] = (await api.http.get(f"{BASE}/devices")).json()
        assert (before["id"], before["createdAt"]) == (after["id"], after["createdAt"])
        assert after["lastSeen"].startswith("2030")

    run_with_api(world, story)


def test_the_device_can_be_removed_and_is_there_again(world: World) -> None:
    async def story(api: ApiClient) -> None:
        [device] = (await api.http.get(f"{BASE}/devices")).json()
        response = await api.http.delete(f"{BASE}/devices/{device['id']}")
        assert (response.status_code, response.content) == (204, b"")
        assert (await api.http.get(f"{BASE}/devices")).json()[0]["id"] == device["id"]
        response = await api.http.delete(f"{BASE}/device/PyDmBQZZXYmyxMwED8Fzy")
        assert (response.status_code, response.json()) == (404, {"message": "record not found", "code": 404})

    run_with_api(world, story)


def test_settings_show_the_key_that_signs_webhooks_and_take_changes_without_effect(world: World) -> None:
    async def story(api: ApiClient) -> None:
        secret = (await callback_secrets.find(api.world.ctx, api.world.caller.account)).current
        shown = (await api.http.get(f"{BASE}/settings")).json()
        assert shown["webhooks"]["signing_key"] == secret
        change = {"webhooks": {"signing_key": "mine"}, "messages": {"limit_period": "PerDay"}}
        for method in ("PUT", "PATCH"):
            response = await api.http.request(method, f"{BASE}/settings", json=change)
            assert (response.status_code, response.json()) == (200, shown)
            response = await api.http.request(method, f"{BASE}/settings", content=b"[]")
            assert response.status_code == 400

    run_with_api(world, story)


@pytest.mark.parametrize("path", ["logs", "logs?from=x"])
def test_there_are_no_logs(world: World, path: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get(f"{BASE}/{path}")
        assert (response.status_code, response.json()["code"]) == (501, 501)

    run_with_api(world, story)


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
    async def story(api: ApiClient) -> None:
        period = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
        response = await api.http.post(f"{BASE}/{path}", json=period)
        assert (response.status_code, response.json()) == (202, {})
        assert response.headers.get("deprecation") == ("true" if is_old else None)

    run_with_api(world, story)


@pytest.mark.parametrize("base", _BASES)
@pytest.mark.parametrize("path", ["health", "health/ready", "health/startup", "health/live"])
def test_health_needs_no_authentication(world: World, base: str, path: str) -> None:
    async def story(api: ApiClient) -> None:
        api.http.auth = NOBODY
        response = await api.http.get(f"{base}/{path}")
        result = response.json()
        assert (response.status_code, list(result)) == (200, ["status", "version", "releaseId", "checks"])
        assert result["status"] == ("pass" if path == "health/live" else "warn")  # no lane consumes here

    run_with_api(world, story)


def test_health_is_503_while_the_database_is_behind_and_the_process_lives(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        api.http.auth = NOBODY
        await api.world.all("UPDATE alembic_version SET version_num = '0000'")
        try:
            for path, code in [("", 503), ("/ready", 503), ("/startup", 503), ("/live", 200)]:
                assert (await api.http.get(f"{BASE}/health{path}")).status_code == code
            result = (await api.http.get(f"{BASE}/health")).json()
            assert (result["status"], result["checks"]["database"]["status"]) == ("fail", "fail")
        finally:
            await api.world.all("UPDATE alembic_version SET version_num = :at", at=newest_revision())

    run_with_api(with_settings(settings), story)


def test_the_catalogue_that_every_response_links_to_exists(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        api.http.auth = NOBODY
        answer = await api.http.get(f"/moved{BASE}/health/live")
        assert answer.headers["link"] == '</moved/.well-known/api-catalog>; rel="api-catalog"'
        response = await api.http.get("/moved/.well-known/api-catalog")
        assert response.headers["content-type"].startswith("application/linkset+json")
        [links] = response.json()["linkset"]
        assert links["anchor"] == f"/moved{BASE}"
        for name in ("service-desc", "service-doc", "status"):
            assert (await api.http.get(links[name][0]["href"])).status_code == 200

    run_with_api(with_settings(settings, dialect_prefixes={"smsgate": "/moved"}), story)


def test_a_moved_dialect_has_the_prefix_in_its_locations(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.post(f"/moved{PATH}", json=body())
        assert response.headers["location"] == f"/moved{PATH}/{response.json()['id']}"
        assert (await api.http.get(response.headers["location"])).status_code == 200

    run_with_api(with_settings(settings, dialect_prefixes={"smsgate": "/moved"}), story)
