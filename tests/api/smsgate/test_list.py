"""SMS Gateway lists messages: the document's skip and limit, and the queries of upstream's clients."""

from datetime import timedelta

import pytest

from tests.api.client import ApiClient
from tests.api.smsgate.client import BASE, KENYAN, PATH, run_with_api, send
from tests.world import World


async def _send_many(api: ApiClient, count: int) -> list[str]:
    """Send one a minute; give their ids, the oldest first."""
    ids = []
    for _ in range(count):
        ids.append((await send(api))["id"])
        api.world.time.advance(timedelta(minutes=1))
    return ids


async def _listed(api: ApiClient, **query: object) -> list[str]:
    response = await api.http.get(
        PATH, params={name.rstrip("_"): str(value) for name, value in query.items()}
    )
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    return [message["id"] for message in response.json()]


def test_the_newest_come_first_each_in_upstreams_format_with_created_at(world: World) -> None:
    async def story(api: ApiClient) -> None:
        first, second = await _send_many(api, 2)
        response = await api.http.get(PATH)
        assert [one["id"] for one in response.json()] == [second, first]
        result = response.json()[1]
        whole = (await api.http.get(f"{PATH}/{first}")).json()
        assert result == {name: value for name, value in whole.items() if name != "textMessage"}
        assert {"id", "state", "createdAt", "recipients", "states"} <= set(result)

    run_with_api(world, story)


def test_the_total_is_in_a_header_of_the_page(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await _send_many(api, 3)
        response = await api.http.get(PATH, params={"limit": 1})
        assert (len(response.json()), response.headers["x-total-count"]) == (1, "3")

    run_with_api(world, story)


def test_the_default_limit_is_20_and_values_out_of_bounds_are_limited(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.all(
            "INSERT INTO batches (public_id, account_id, dialect, tier, not_before, not_after, created_at)"
            " SELECT gen_random_uuid(), id, 'smsgate', 'bulk', now(), now() + '1 day', now()"
            " FROM accounts, generate_series(1, 101) WHERE name = 'shop'"
        )
        for query, expected in [({}, 20), ({"limit": 101}, 100), ({"limit": 0}, 1), ({"limit": -5}, 1)]:
            assert len(await _listed(api, **query)) == expected
        assert len(await _listed(api, limit=100, skip=100)) == 1
        assert len(await _listed(api, limit="9" * 30, skip=-1)) == 100
        assert await _listed(api, skip="9" * 30) == []

    run_with_api(world, story)


def test_skip_wins_over_offset(world: World) -> None:
    async def story(api: ApiClient) -> None:
        first, second, third = await _send_many(api, 3)
        assert await _listed(api, skip=1) == [second, first]
        assert await _listed(api, offset=2) == [first]
        assert await _listed(api, offset=2, skip=0) == [third, second, first]

    run_with_api(world, story)


def test_sort_turns_the_order(world: World) -> None:
    async def story(api: ApiClient) -> None:
        first, second = await _send_many(api, 2)
        assert await _listed(api, sort="created_at") == [first, second]
        assert await _listed(api, sort="-created_at") == [second, first]

    run_with_api(world, story)


def test_from_is_included_and_to_is_not(world: World) -> None:
    async def story(api: ApiClient) -> None:
        start = api.world.time.now()
        first, second, third = await _send_many(api, 3)
        times = [(start + timedelta(minutes=n)).isoformat() for n in range(3)]
        assert await _listed(api, from_=times[1]) == [third, second]
        assert await _listed(api, to=times[1]) == [first]
        assert await _listed(api, from_=times[1], to=times[2]) == [second]
        response = await api.http.get(f"{PATH}?from={times[1]}")  # its "+" is a blank now
        assert [one["id"] for one in response.json()] == [third, second]

    run_with_api(world, story)


def test_a_state_finds_the_messages_that_show_it(world: World) -> None:
    async def story(api: ApiClient) -> None:
        pending = (await send(api))["id"]
        api.world.lanes.take()
        sent = (await send(api))["id"]
        await api.world.deliver()
        cancelled = (await send(api))["id"]
        await api.http.delete(f"{PATH}/{cancelled}")
        found = {
            state: await _listed(api, state=state)
            for state in ("Pending", "Sent", "Cancelled", "Delivered", "Failed", "Processed", "Cancelling")
        }
        assert found == {
            "Pending": [pending],
            "Sent": [sent],
            "Cancelled": [cancelled],
            "Delivered": [],
            "Failed": [],
            "Processed": [],
            "Cancelling": [],
        }

    run_with_api(world, story)


def test_the_device_filters_and_another_one_has_no_messages(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api)
        assert await _listed(api, deviceId=answer["deviceId"]) == [answer["id"]]
        assert await _listed(api, deviceId="PyDmBQZZXYmyxMwED8Fzy") == []

    run_with_api(world, story)


def test_texts_are_shown_only_if_requested(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await send(api)
        for value, shown in [("true", True), ("1", True), ("false", False)]:
            response = await api.http.get(PATH, params={"includeContent": value})
            assert ("textMessage" in response.json()[0]) == shown

    run_with_api(world, story)


def test_a_query_of_all_empty_values_is_one_without_any(world: World) -> None:
    async def story(api: ApiClient) -> None:
        answer = await send(api)
        response = await api.http.get(f"{PATH}?")
        assert [one["id"] for one in response.json()] == [answer["id"]]
        assert await _listed(api, state="", from_="", to="", limit="", skip="") == [answer["id"]]

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=x", "limit must be an integer"),
        ("limit=1.5", "limit must be an integer"),
        ("skip=-", "skip must be an integer"),
        ("offset=٣", "offset must be an integer"),
        (
            "state=Lost",
            "state must be one of Pending, Cancelling, Cancelled, Processed, Sent, Delivered, Failed",
        ),
        ("from=today", "from must be a time in RFC 3339 format: YYYY-MM-DDThh:mm:ssZ"),
        ("sort=id", "sort must be created_at or -created_at"),
        ("includeContent=yes", "includeContent must be true or false"),
    ],
)
def test_a_query_that_cannot_be_read_is_400(world: World, query: str, message: str) -> None:
    async def story(api: ApiClient) -> None:
        response = await api.http.get(f"{PATH}?{query}")
        assert (response.status_code, response.json()) == (400, {"message": message, "code": 400})

    run_with_api(world, story)


def test_messages_of_another_dialect_are_not_listed(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.submit(KENYAN)
        assert await _listed(api) == []
        assert (await api.http.get(f"{BASE}/message")).json() == []

    run_with_api(world, story)
