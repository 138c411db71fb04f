"""Emess sends one text to many numbers, by its document (000) and docs/dialects/emess.md."""

from collections.abc import Sequence

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.service.accounts import opt_outs
from dispatcher.settings import RepeatPolicy, Settings
from tests.api.emess.sample import BULK, JSON, SECOND, SEND, EmessClient, ask, many, one, said
from tests.world import NUMBER, World

NATIONAL = "0712345678"  # NUMBER in another spelling
THIRD = "+254712345670"


async def counts(office: EmessClient, numbers: Sequence[str]) -> tuple[int, int, int, int]:
    """Send to these; give total, ids, succeeded and failed."""
    response = await office.bulk(numbers=numbers)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["succeeded"] + answer["failed"] == answer["total"] == len(numbers)
    return answer["total"], len(answer["data"]), answer["succeeded"], answer["failed"]


async def kept(office: EmessClient) -> int:
    return len(await office.world.all("SELECT 1 FROM messages"))


def test_a_bulk_is_answered_with_all_ids_in_order_and_one_batch(world: World) -> None:
    async def story(office: EmessClient) -> None:
        response = await office.bulk()
        assert (response.status_code, response.headers["content-type"]) == (200, JSON)
        answer = response.json()
        assert list(answer) == ["message", "total", "data", "succeeded", "failed", "batchId"]
        assert answer["message"] == "Bulk processing completed"
        rows = await office.world.all("SELECT public_id, number FROM messages ORDER BY id")
        assert [row.number for row in rows] == [NUMBER, SECOND]
        assert answer["data"] == [str(row.public_id) for row in rows]
        assert (answer["total"], answer["succeeded"], answer["failed"]) == (2, 2, 0)
        batch = await office.world.one("SELECT public_id FROM batches")
        assert answer["batchId"] == str(batch.public_id)

    ask(world, story)


@pytest.mark.parametrize(
    ("type_", "tier"), [(..., "bulk"), ("bulk", "bulk"), ("standard", "standard"), ("critical", "critical")]
)
def test_the_type_is_bulk_unless_told_otherwise(world: World, type_: object, tier: str) -> None:
    async def story(office: EmessClient) -> None:
        assert (await office.bulk(type=type_)).status_code == 200
        assert {row.tier for row in await office.world.all("SELECT tier FROM messages")} == {tier}

    ask(world, story)


def test_accents_are_removed_in_bulk_too_unless_told_otherwise(world: World) -> None:
    async def story(office: EmessClient) -> None:
        await office.bulk(numbers=[NUMBER], message="été")
        await office.bulk(numbers=[NUMBER], message="été", keepDiacritics=True)
        rows = await office.world.all("SELECT text FROM messages ORDER BY id")
        assert [row.text for row in rows] == ["ete", "été"]

    ask(world, story)


def test_invalid_numbers_are_counted_as_failed_and_left_out(world: World) -> None:
    async def story(office: EmessClient) -> None:
        numbers = [NUMBER, "abc", "", "+123456789", SECOND, "a\x00b", "1" * 500]
        assert await counts(office, numbers) == (7, 2, 2, 5)
        assert await kept(office) == 2
        assert await office.world.balance() == 9_998

    ask(world, story)


def test_a_bulk_of_invalid_numbers_only_is_200_with_a_batch(world: World) -> None:
    async def story(office: EmessClient) -> None:
        response = await office.bulk(numbers=["abc", "123"])
        assert response.status_code == 200
        batch = await office.world.one("SELECT public_id FROM batches")
        assert response.json() == {
            "message": "Bulk processing completed",
            "total": 2,
            "data": [],
            "succeeded": 0,
            "failed": 2,
            "batchId": str(batch.public_id),
        }
        assert await office.world.balance() == 10_000

    ask(world, story)


def test_repeated_numbers_get_a_message_each(world: World) -> None:
    async def story(office: EmessClient) -> None:
        assert await counts(office, [NUMBER, NUMBER, NATIONAL]) == (3, 3, 3, 0)
        assert await kept(office) == 3

    ask(world, story)


def test_a_setting_collapses_repeats_and_the_counts_still_add_up(settings: Settings) -> None:
    async def story(office: EmessClient) -> None:
        assert await counts(office, [NUMBER, SECOND, NUMBER, NATIONAL, "abc"]) == (5, 2, 4, 1)
        assert await kept(office) == 2
        assert await office.world.balance() == 9_998

    ask(World(settings.model_copy(update={"emess_collapse_repeats": True})), story)


@pytest.mark.parametrize("collapse", [True, False])
def test_a_number_that_opted_out_counts_as_failed_and_spoils_nothing(
    settings: Settings, collapse: bool
) -> None:
    async def story(office: EmessClient) -> None:
        await opt_outs.add(office.world.ctx, office.world.caller.account, [NUMBER])
        assert await counts(office, [NUMBER, SECOND, NUMBER]) == (3, 1, 1, 2)
        rows = await office.world.all("SELECT number, status, charged FROM messages")
        assert {(row.number, row.status, row.charged) for row in rows} == {(NUMBER, 26, 0), (SECOND, 11, 1)}

    ask(World(settings.model_copy(update={"emess_collapse_repeats": collapse})), story)


def test_without_a_route_or_a_sender_a_number_counts_as_failed(world: World) -> None:
    world.configs["sim"] = ProviderConfig(name="sim", plugin="test", options={}, countries=frozenset({"KE"}))

    async def story(office: EmessClient) -> None:
        assert await counts(office, [NUMBER, "+33612345678"]) == (2, 1, 1, 1)
        await office.world.all("UPDATE senders SET disabled_at = now(), is_default = false")
        assert await counts(office, [NUMBER]) == (1, 0, 0, 1)

    ask(world, story)


def test_the_tokens_must_cover_the_entire_batch_or_nothing_is_kept(world: World) -> None:
    async def story(office: EmessClient) -> None:
        response = await office.bulk(numbers=[NUMBER, SECOND, THIRD])
        assert (response.status_code, said(response)) == (402, "Insufficient tokens")
        assert await office.rows() == 0
        assert await office.world.balance() == 2

    ask(world, story, credits=2)


def test_invalid_numbers_need_no_tokens(world: World) -> None:
    async def story(office: EmessClient) -> None:
        assert await counts(office, [NUMBER, "abc", SECOND, "123"]) == (4, 2, 2, 2)
        assert await office.world.balance() == 0

    ask(world, story, credits=2)


def test_the_same_bulk_with_its_key_is_sent_once(world: World) -> None:
    async def story(office: EmessClient) -> None:
        key = {"Idempotency-Key": "campaign-1"}
        body = many(numbers=[NUMBER, "abc"])
        first, again = [await office.http.post(BULK, json=body, headers=key) for _ in range(2)]
        assert again.headers["idempotent-replayed"] == "true"
        assert again.content == first.content
        assert again.json()["failed"] == 1
        assert await kept(office) == 1

    ask(world, story)


def test_a_key_of_a_send_is_not_good_for_a_bulk(world: World) -> None:
    async def story(office: EmessClient) -> None:
        key = {"Idempotency-Key": "one"}
        assert (await office.http.post(SEND, json=one(), headers=key)).status_code == 200
        assert (await office.http.post(BULK, json=many(), headers=key)).status_code == 422

    ask(world, story)


def test_a_bulk_that_repeats_another_is_answered_with_its_messages(settings: Settings) -> None:
    async def story(office: EmessClient) -> None:
        first = (await office.bulk()).json()
        lost = "UPDATE messages SET status = 38, place = NULL, wake_at = NULL WHERE number = :number"
        await office.world.all(lost, number=SECOND)
        again = (await office.bulk()).json()
        assert again["batchId"] == first["batchId"]
        assert (again["data"], again["succeeded"], again["failed"]) == (first["data"][:1], 1, 1)
        assert await kept(office) == 2

    joining = {"repeat_window": 60, "repeat_policy": RepeatPolicy.JOIN}
    ask(World(settings.model_copy(update=joining)), story)


def test_the_larger_limit_is_for_bulk_alone(settings: Settings) -> None:
    async def story(office: EmessClient) -> None:
        long = "x" * 3000
        for path, body in ((SEND, one(note=long)), (BULK, many(note=long * 2))):
            response = await office.http.post(path, json=body)
            assert response.status_code == 413
            assert said(response).startswith("The body is larger than")
        assert (await office.bulk(note=long)).status_code == 200

    limits = {"body_limit": 2048, "bulk_body_limit": 4096}
    ask(World(settings.model_copy(update=limits)), story)
