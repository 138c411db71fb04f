"""SMS Scheduler's reports, and the ids that it does not know."""

from datetime import timedelta

import pytest

from tests.api.client import ApiClient, run_with_api
from tests.api.scheduler.sample import FIXED_LINE, FRENCH, PATH, create, create_one, later
from tests.world import World


def test_the_report_of_a_message_lists_its_sms(world: World) -> None:
    async def story(api: ApiClient) -> None:
        message_id, ids = await create(api, phone_numbers=[FRENCH, FIXED_LINE])
        report = (await api.http.get(f"/api/v1/message/{message_id}")).json()
        assert report == [
            {"id": ids[FRENCH][0], "phone_number": FRENCH, "status": 11},
            {"id": ids[FIXED_LINE][0], "phone_number": FIXED_LINE, "status": 11},
        ]
        assert list(report[0]) == ["id", "phone_number", "status"]

    run_with_api(world, story)


def test_a_report_follows_the_sms(world: World) -> None:
    async def story(api: ApiClient) -> None:
        sms_id = await create_one(api)
        await api.world.deliver()
        assert (await api.http.get(f"{PATH}/{sms_id}")).json() == {"phone_number": FRENCH, "status": 12}

    run_with_api(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("kind", ["sms", "message"])
@pytest.mark.parametrize(
    "name",
    ["999", "0", "abc", "-1", "1.0", "1_0", "+1", "%D9%A1", "%00", str(2**63 - 1), str(2**63), "9" * 500],
)
def test_an_unknown_id_is_not_found(world: World, method: str, kind: str, name: str) -> None:
    async def story(api: ApiClient) -> None:
        await create(api)
        response = await api.http.request(method, f"/api/v1/{kind}/{name}")
        assert (response.status_code, response.json()) == (404, {"errors": {"id": ["Not found"]}})
        assert response.headers["content-type"] == "application/json; charset=utf-8"

    run_with_api(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_accounts_ids_are_not_found(world: World, method: str) -> None:
    async def story(api: ApiClient) -> None:
        message_id, ids = await create(api, delivery_date=later(api))
        other = await api.world.another_account("other")
        key = await api.key_of(other.account)
        for path in (f"{PATH}/{ids[FRENCH][0]}", f"/api/v1/message/{message_id}"):
            assert (await api.http.request(method, path, headers=key)).status_code == 404
        assert await api.status(ids[FRENCH][0]) == 10

    run_with_api(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_ids_of_another_dialect_of_the_same_account_are_not_found(world: World, method: str) -> None:
    async def story(api: ApiClient) -> None:
        batch = await api.world.submit(FRENCH, after=timedelta(hours=1))
        for path in (f"{PATH}/{batch.messages[0].id}", f"/api/v1/message/{batch.id}"):
            assert (await api.http.request(method, path)).status_code == 404
        assert await api.status(batch.messages[0].id) == 10

    run_with_api(world, story)
