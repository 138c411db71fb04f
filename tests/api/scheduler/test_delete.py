"""SMS Scheduler deletes SMS that have not been sent, and refunds them."""

import pytest

from dispatcher.domain.delivery.provider import Rejected
from dispatcher.domain.messages.status import Status
from tests.api.client import ApiClient, run_with_api
from tests.api.scheduler.sample import FRENCH, PATH, create, create_one, later
from tests.world import World


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_deleted_sms_is_refunded_and_not_found_any_more(world: World, hours: int) -> None:
    async def story(api: ApiClient) -> None:
        sms_id = await create_one(api, delivery_date=later(api, hours))
        assert await api.world.balance() == 9_999
        response = await api.http.delete(f"{PATH}/{sms_id}")
        assert (response.status_code, response.json()) == (200, {"success": True})
        assert await api.world.balance() == 10_000
        for again in ("GET", "DELETE"):
            response = await api.http.request(again, f"{PATH}/{sms_id}")
            assert (response.status_code, response.json()) == (404, {"errors": {"id": ["Not found"]}})

    run_with_api(world, story)


def test_an_sms_a_worker_has_claimed_cannot_be_deleted(world: World) -> None:
    async def story(api: ApiClient) -> None:
        sms_id = await create_one(api)
        await api.world.claim(sms_id)
        response = await api.http.delete(f"{PATH}/{sms_id}")
        assert (response.status_code, response.json()) == (200, {"success": False})
        assert (await api.http.get(f"{PATH}/{sms_id}")).json()["status"] == 11

    run_with_api(world, story)


def test_a_sent_or_failed_sms_cannot_be_deleted(world: World) -> None:
    async def story(api: ApiClient) -> None:
        sent = await create_one(api)
        await api.world.deliver()
        api.world.sim.always(Rejected(Status.BLOCKED, "no"))
        failed = await create_one(api)
        await api.world.deliver()
        assert [await api.status(sent), await api.status(failed)] == [12, 31]
        for sms_id in (sent, failed):
            assert (await api.http.delete(f"{PATH}/{sms_id}")).json() == {"success": False}

    run_with_api(world, story)


def test_deleting_a_message_counts_only_the_sms_deleted(world: World) -> None:
    async def story(api: ApiClient) -> None:
        message_id, ids = await create(api, phone_numbers=[FRENCH, FRENCH, FRENCH])
        await api.world.claim(ids[FRENCH][0])
        path = f"/api/v1/message/{message_id}"
        response = await api.http.delete(path)
        assert (response.status_code, response.json()) == (200, {"success": 2})
        assert [line["id"] for line in (await api.http.get(path)).json()] == ids[FRENCH][:1]
        assert (await api.http.delete(path)).json() == {"success": 0}

    run_with_api(world, story)


def test_a_message_with_all_its_sms_deleted_is_not_found(world: World) -> None:
    async def story(api: ApiClient) -> None:
        message_id, _ = await create(api)
        await api.http.delete(f"/api/v1/message/{message_id}")
        assert (await api.http.get(f"/api/v1/message/{message_id}")).status_code == 404

    run_with_api(world, story)
