"""eMsgNow takes an SMS with an Idempotency-Key once."""

import pytest

from dispatcher.store.submissions import idempotency
from tests.api.client import ApiClient
from tests.api.emsgnow.sample import JSON, PATH, QUOTA, body, key_of, run_with_api
from tests.world import World

_KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def test_the_same_request_again_gets_the_same_response_and_one_sms_is_kept(world: World) -> None:
    async def story(api: ApiClient) -> None:
        first = await api.http.post(PATH, json=body(), headers=_KEY)
        kept = await api.rows()
        again = await api.http.post(PATH, json=body(), headers=_KEY)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.content == first.content
        assert again.headers["content-type"] == JSON
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert set(QUOTA) <= set(again.headers)
        assert await api.rows() == kept
        assert len(api.world.lanes.take()) == 1

    run_with_api(world, story)


def test_another_request_with_the_same_key_is_422(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.http.post(PATH, json=body(), headers=_KEY)
        kept = await api.rows()
        response = await api.http.post(PATH, json=body(message="Another"), headers=_KEY)
        assert (response.status_code, list(response.json())) == (422, ["error"])
        assert await api.rows() == kept

    run_with_api(world, story)


def test_while_the_first_request_runs_the_second_is_409(world: World) -> None:
    async def story(api: ApiClient) -> None:
        account_id = api.world.caller.account.id

        async def second(connection: object) -> int:
            held = await idempotency.lock(
                connection,  # type: ignore[arg-type]
                account_id,
                "emsgnow",
                _KEY["Idempotency-Key"],
            )
            assert held
            response = await api.http.post(PATH, json=body(), headers=_KEY)
            assert list(response.json()) == ["error"]
            return response.status_code

        assert await api.world.ctx.database.transact(second) == 409
        assert (await api.http.post(PATH, json=body(), headers=_KEY)).status_code == 200

    run_with_api(world, story)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xff"])
def test_an_invalid_key_is_400(world: World, key: str) -> None:
    async def story(api: ApiClient) -> None:
        headers = [(b"Idempotency-Key", key.encode("latin-1"))]
        response = await api.http.post(PATH, json=body(), headers=headers)
        assert (response.status_code, list(response.json())) == (400, ["error"])
        assert await api.rows() == 0

    run_with_api(world, story)


def test_a_refused_request_does_not_use_the_key_up(world: World) -> None:
    async def story(api: ApiClient) -> None:
        assert (await api.http.post(PATH, json=body(to="x"), headers=_KEY)).status_code == 400
        assert (await api.http.post(PATH, json=body(), headers=_KEY)).status_code == 200

    run_with_api(world, story)


def test_a_key_is_its_accounts_own(world: World) -> None:
    async def story(api: ApiClient) -> None:
        mine = await api.http.post(PATH, json=body(), headers=_KEY)
        other = await api.world.another_account("other")
        key = await key_of(api.world, other.account)
        theirs = await api.http.post(PATH, json=body(**{"from": "OTHER"}), headers={**_KEY, **key})
        assert theirs.status_code == 200
        assert theirs.json()["trackingId"] != mine.json()["trackingId"]

    run_with_api(world, story)
