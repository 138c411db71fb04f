"""SMS Scheduler's reports, and the ids that it does not know."""

from datetime import timedelta

import pytest

from tests.api.client import ApiClient, ask
from tests.api.scheduler.sample import FIXED_LINE, FRENCH, PATH, create, create_one, later
from tests.world import World


def test_the_report_of_a_message_lists_its_sms(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        message_id, ids = await create(desk, phone_numbers=[FRENCH, FIXED_LINE])
        report = (await desk.http.get(f"/api/v1/message/{message_id}")).json()
        assert report == [
            {"id": ids[FRENCH][0], "phone_number": FRENCH, "status": 11},
            {"id": ids[FIXED_LINE][0], "phone_number": FIXED_LINE, "status": 11},
        ]
        assert list(report[0]) == ["id", "phone_number", "status"]

    ask(world, story)


def test_a_report_follows_the_sms(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        sms_id = await create_one(desk)
        await desk.world.deliver()
        assert (await desk.http.get(f"{PATH}/{sms_id}")).json() == {"phone_number": FRENCH, "status": 12}

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("kind", ["sms", "message"])
@pytest.mark.parametrize(
    "name",
    ["999", "0", "abc", "-1", "1.0", "1_0", "+1", "%D9%A1", "%00", str(2**63 - 1), str(2**63), "9" * 500],
)
def test_what_is_no_id_of_ours_is_not_found(world: World, method: str, kind: str, name: str) -> None:
    async def story(desk: ApiClient) -> None:
        await create(desk)
        response = await desk.http.request(method, f"/api/v1/{kind}/{name}")
        assert (response.status_code, response.json()) == (404, {"errors": {"id": ["Not found"]}})
        assert response.headers["content-type"] == "application/json; charset=utf-8"

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_accounts_ids_are_not_found(world: World, method: str) -> None:
    async def story(desk: ApiClient) -> None:
        message_id, ids = await create(desk, delivery_date=later(desk))
        other = await desk.world.another_account("other")
        key = await desk.key_of(other.account)
        for path in (f"{PATH}/{ids[FRENCH][0]}", f"/api/v1/message/{message_id}"):
            assert (await desk.http.request(method, path, headers=key)).status_code == 404
        assert await desk.status(ids[FRENCH][0]) == 10

    ask(world, story)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_ids_of_another_dialect_of_the_same_account_are_not_found(world: World, method: str) -> None:
    async def story(desk: ApiClient) -> None:
        batch = await desk.world.submit(FRENCH, after=timedelta(hours=1))
        for path in (f"{PATH}/{batch.messages[0].id}", f"/api/v1/message/{batch.id}"):
            assert (await desk.http.request(method, path)).status_code == 404
        assert await desk.status(batch.messages[0].id) == 10

    ask(world, story)
