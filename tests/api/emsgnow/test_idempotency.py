"""eMsgNow takes an SMS with an Idempotency-Key once."""

import pytest

from dispatcher.store.submissions import idempotency
from tests.api.client import ApiClient
from tests.api.emsgnow.sample import JSON, PATH, QUOTA, ask, body, key_of
from tests.world import World

_KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def test_the_same_request_again_gets_the_same_answer_and_one_sms_is_kept(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        first = await desk.http.post(PATH, json=body(), headers=_KEY)
        kept = await desk.rows()
        again = await desk.http.post(PATH, json=body(), headers=_KEY)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.content == first.content
        assert again.headers["content-type"] == JSON
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert set(QUOTA) <= set(again.headers)
        assert await desk.rows() == kept
        assert len(desk.world.lanes.take()) == 1

    ask(world, story)


def test_another_request_with_the_same_key_is_422(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        await desk.http.post(PATH, json=body(), headers=_KEY)
        kept = await desk.rows()
        response = await desk.http.post(PATH, json=body(message="Another"), headers=_KEY)
        assert (response.status_code, list(response.json())) == (422, ["error"])
        assert await desk.rows() == kept

    ask(world, story)


def test_while_the_first_request_runs_the_second_is_409(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        account_id = desk.world.caller.account.id

        async def second(connection: object) -> int:
            held = await idempotency.lock(
                connection,  # type: ignore[arg-type]
                account_id,
                "emsgnow",
                _KEY["Idempotency-Key"],
            )
            assert held
            response = await desk.http.post(PATH, json=body(), headers=_KEY)
            assert list(response.json()) == ["error"]
            return response.status_code

        assert await desk.world.ctx.database.transact(second) == 409
        assert (await desk.http.post(PATH, json=body(), headers=_KEY)).status_code == 200

    ask(world, story)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xff"])
def test_a_key_that_is_none_is_400(world: World, key: str) -> None:
    async def story(desk: ApiClient) -> None:
        headers = [(b"Idempotency-Key", key.encode("latin-1"))]
        response = await desk.http.post(PATH, json=body(), headers=headers)
        assert (response.status_code, list(response.json())) == (400, ["error"])
        assert await desk.rows() == 0

    ask(world, story)


def test_a_refused_request_does_not_use_the_key_up(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        assert (await desk.http.post(PATH, json=body(to="x"), headers=_KEY)).status_code == 400
        assert (await desk.http.post(PATH, json=body(), headers=_KEY)).status_code == 200

    ask(world, story)


def test_a_key_is_its_accounts_own(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        mine = await desk.http.post(PATH, json=body(), headers=_KEY)
        other = await desk.world.another_account("other")
        key = await key_of(desk.world, other.account)
        theirs = await desk.http.post(PATH, json=body(**{"from": "OTHER"}), headers={**_KEY, **key})
        assert theirs.status_code == 200
        assert theirs.json()["trackingId"] != mine.json()["trackingId"]

    ask(world, story)
