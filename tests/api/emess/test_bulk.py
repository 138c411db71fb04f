"""Emess sends one text to many numbers, by its document (000) and docs/dialects/emess.md."""

from collections.abc import Sequence

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.service.accounts import opt_outs
from dispatcher.settings import RepeatPolicy, Settings
from tests.api.emess.sample import (
    BULK,
    JSON,
    SECOND,
    SEND,
    EmessClient,
    error_message,
    many,
    one,
    run_with_api,
)
from tests.world import NUMBER, World

NATIONAL = "0712345678"  # NUMBER in another spelling
THIRD = "+254712345670"


async def counts(api: EmessClient, numbers: Sequence[str]) -> tuple[int, int, int, int]:
    """Send to these; give total, ids, succeeded and failed."""
    response = await api.bulk(numbers=numbers)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["succeeded"] + answer["failed"] == answer["total"] == len(numbers)
    return answer["total"], len(answer["data"]), answer["succeeded"], answer["failed"]


async def kept(api: EmessClient) -> int:
    return len(await api.world.all("SELECT 1 FROM messages"))


def test_a_bulk_is_answered_with_all_ids_in_order_and_one_batch(world: World) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.bulk()
        assert (response.status_code, response.headers["content-type"]) == (200, JSON)
        answer = response.json()
        assert list(answer) == ["message", "total", "data", "succeeded", "failed", "batchId"]
        assert answer["message"] == "Bulk processing completed"
        rows = await api.world.all("SELECT public_id, number FROM messages ORDER BY id")
        assert [row.number for row in rows] == [NUMBER, SECOND]
        assert answer["data"] == [str(row.public_id) for row in rows]
        assert (answer["total"], answer["succeeded"], answer["failed"]) == (2, 2, 0)
        batch = await api.world.one("SELECT public_id FROM batches")
        assert answer["batchId"] == str(batch.public_id)

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("type_", "tier"), [(..., "bulk"), ("bulk", "bulk"), ("standard", "standard"), ("critical", "critical")]
)
def test_the_type_is_bulk_by_default(world: World, type_: object, tier: str) -> None:
    async def story(api: EmessClient) -> None:
        assert (await api.bulk(type=type_)).status_code == 200
        assert {row.tier for row in await api.world.all("SELECT tier FROM messages")} == {tier}

    run_with_api(world, story)


def test_accents_are_removed_in_bulk_too_unless_requested_otherwise(world: World) -> None:
    async def story(api: EmessClient) -> None:
        await api.bulk(numbers=[NUMBER], message="été")
        await api.bulk(numbers=[NUMBER], message="été", keepDiacritics=True)
        rows = await api.world.all("SELECT text FROM messages ORDER BY id")
        assert [row.text for row in rows] == ["ete", "été"]

    run_with_api(world, story)


def test_invalid_numbers_are_skipped_and_counted_as_failed(world: World) -> None:
    async def story(api: EmessClient) -> None:
        numbers = [NUMBER, "abc", "", "+123456789", SECOND, "a\x00b", "1" * 500]
        assert await counts(api, numbers) == (7, 2, 2, 5)
        assert await kept(api) == 2
        assert await api.world.balance() == 9_998

    run_with_api(world, story)


def test_a_bulk_of_invalid_numbers_only_is_200_with_a_batch(world: World) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.bulk(numbers=["abc", "123"])
        assert response.status_code == 200
        batch = await api.world.one("SELECT public_id FROM batches")
        assert response.json() == {
            "message": "Bulk processing completed",
            "total": 2,
            "data": [],
            "succeeded": 0,
            "failed": 2,
            "batchId": str(batch.public_id),
        }
        assert await api.world.balance() == 10_000

    run_with_api(world, story)


def test_repeated_numbers_get_a_message_each(world: World) -> None:
    async def story(api: EmessClient) -> None:
        assert await counts(api, [NUMBER, NUMBER, NATIONAL]) == (3, 3, 3, 0)
        assert await kept(api) == 3

    run_with_api(world, story)


def test_a_setting_collapses_repeats_and_the_counts_still_add_up(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        assert await counts(api, [NUMBER, SECOND, NUMBER, NATIONAL, "abc"]) == (5, 2, 4, 1)
        assert await kept(api) == 2
        assert await api.world.balance() == 9_998

    run_with_api(World(settings.model_copy(update={"emess_collapse_repeats": True})), story)


@pytest.mark.parametrize("collapse", [True, False])
def test_a_number_that_opted_out_counts_as_failed_and_does_not_affect_others(
    settings: Settings, collapse: bool
) -> None:
    async def story(api: EmessClient) -> None:
        await opt_outs.add(api.world.ctx, api.world.caller.account, [NUMBER])
        assert await counts(api, [NUMBER, SECOND, NUMBER]) == (3, 1, 1, 2)
        rows = await api.world.all("SELECT number, status, charged FROM messages")
        assert {(row.number, row.status, row.charged) for row in rows} == {(NUMBER, 26, 0), (SECOND, 11, 1)}

    run_with_api(World(settings.model_copy(update={"emess_collapse_repeats": collapse})), story)


def test_without_a_route_or_a_sender_a_number_counts_as_failed(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"KE"}))

    async def story(api: EmessClient) -> None:
        assert await counts(api, [NUMBER, "+33612345678"]) == (2, 1, 1, 1)
        await api.world.all("UPDATE senders SET disabled_at = now(), is_default = false")
        assert await counts(api, [NUMBER]) == (1, 0, 0, 1)

    run_with_api(world, story)


def test_the_tokens_must_cover_the_entire_batch_or_nothing_is_stored(world: World) -> None:
    async def story(api: EmessClient) -> None:
        response = await api.bulk(numbers=[NUMBER, SECOND, THIRD])
        assert (response.status_code, error_message(response)) == (402, "Insufficient tokens")
        assert await api.rows() == 0
        assert await api.world.balance() == 2

    run_with_api(world, story, credits=2)


def test_invalid_numbers_need_no_tokens(world: World) -> None:
    async def story(api: EmessClient) -> None:
        assert await counts(api, [NUMBER, "abc", SECOND, "123"]) == (4, 2, 2, 2)
        assert await api.world.balance() == 0

    run_with_api(world, story, credits=2)


def test_the_same_bulk_with_its_key_is_sent_once(world: World) -> None:
    async def story(api: EmessClient) -> None:
        key = {"Idempotency-Key": "campaign-1"}
        body = many(numbers=[NUMBER, "abc"])
        first, again = [await api.http.post(BULK, json=body, headers=key) for _ in range(2)]
        assert again.headers["idempotent-replayed"] == "true"
        assert again.content == first.content
        assert again.json()["failed"] == 1
        assert await kept(api) == 1

    run_with_api(world, story)


def test_a_key_of_a_send_is_not_good_for_a_bulk(world: World) -> None:
    async def story(api: EmessClient) -> None:
        key = {"Idempotency-Key": "one"}
        assert (await api.http.post(SEND, json=one(), headers=key)).status_code == 200
        assert (await api.http.post(BULK, json=many(), headers=key)).status_code == 422

    run_with_api(world, story)


def test_a_bulk_that_repeats_another_is_answered_with_its_messages(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        first = (await api.bulk()).json()
        lost = "UPDATE messages SET status = 38, place = NULL, wake_at = NULL WHERE number = :number"
        await api.world.all(lost, number=SECOND)
        again = (await api.bulk()).json()
        assert again["batchId"] == first["batchId"]
        assert (again["data"], again["succeeded"], again["failed"]) == (first["data"][:1], 1, 1)
        assert await kept(api) == 2

    joining = {"repeat_window": 60, "repeat_policy": RepeatPolicy.JOIN}
    run_with_api(World(settings.model_copy(update=joining)), story)


def test_the_larger_limit_is_for_bulk_alone(settings: Settings) -> None:
    async def story(api: EmessClient) -> None:
        long = "x" * 3000
        for path, body in ((SEND, one(note=long)), (BULK, many(note=long * 2))):
            response = await api.http.post(path, json=body)
            assert response.status_code == 413
            assert error_message(response).startswith("The body is larger than")
        assert (await api.bulk(note=long)).status_code == 200

    limits = {"body_limit": 2048, "bulk_body_limit": 4096}
    run_with_api(World(settings.model_copy(update=limits)), story)
