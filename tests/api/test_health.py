import asyncio

import pytest
from pydantic import SecretStr

from dispatcher.settings import Settings
from tests.api.client import ApiClient, open_client, run_with_api
from tests.world import World


def test_healthz_is_200_while_the_process_runs(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get("/healthz")
        assert (response.status_code, response.json()) == (200, {"status": "alive"})

    run_with_api(world, story)


def test_readyz_is_degraded_while_no_lane_consumes(world: World) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get("/readyz")
        assert response.status_code == 200
        assert response.json()["status"] == "degraded"
        start = "start `dispatcher worker critical`, and `dispatcher beat`, which probes it"
        assert f"queue critical: was never consumed -> {start}" in response.json()["degraded"]

    run_with_api(world, story)


def test_readyz_is_ready_while_every_lane_consumes(world: World) -> None:
    async def story(api: ApiClient) -> None:
        for queue in ("critical", "standard", "bulk", "clock", "system"):
            await world.ctx.heartbeats.beat(queue, now=world.time.now())
        response = await api.http.get("/readyz")
        assert (response.status_code, response.json()) == (200, {"status": "ready", "degraded": []})

    run_with_api(world, story)


def test_readyz_is_503_with_the_fault_while_postgres_is_away_and_healthz_is_not(settings: Settings) -> None:
    away = World(
        settings.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    )

    async def story() -> None:
        async with away.open(), open_client(away) as client:
            response = await client.get("/readyz")
            assert response.status_code == 503
            assert response.json()["status"] == "not ready"
            assert response.json()["faults"] == ["the database cannot be reached; try again"]
            assert (await client.get("/healthz")).status_code == 200

    asyncio.run(story())


@pytest.mark.parametrize("sign", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_readyz_shows_the_status_alone_to_whom_a_proxy_lets_in(world: World, sign: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get("/readyz", headers={sign: "203.0.113.9"})
        assert (response.status_code, response.json()) == (200, {"status": "degraded"})

    run_with_api(world, story)


def test_health_needs_no_key_and_keeps_problem_details(world: World) -> None:
    async def story(api: ApiClient) -> None:
        del api.http.headers["Authorization"]
        assert (await api.http.get("/readyz")).status_code == 200
        response = await api.http.post("/readyz")
        assert (response.status_code, response.headers["allow"]) == (405, "GET")
        assert response.headers["content-type"] == "application/problem+json"

    run_with_api(world, story)
