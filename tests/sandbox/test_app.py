import asyncio
import time

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Rejected, Unknown
from tests.sandbox.running_sandbox import run, running_sandbox

NUMBER = "+254701234567"
JSON = {"Content-Type": "application/json"}


def test_it_stores_submits_with_their_times() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            before = time.time()
            await stage.send(NUMBER, text="héllo", segments=2)
            after = time.time()
            await stage.quiet()
            (message,) = await stage.messages(reference="m-1")
            (received_at,) = message.pop("received_at")
            assert before <= received_at <= after
            assert len(message.pop("ids")) == 1
            assert message == {
                "reference": "m-1",
                "to": NUMBER,
                "from": "ACME",
                "text": "héllo",
                "segments": 2,
                "tier": "standard",
                "part": None,
                "attempts": 1,
                "accepted": 1,
                "status": "DELIVRD",
            }
            assert await stage.messages(reference="nobody") == []

    run(work())


def test_messages_come_in_pages() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            for number in range(5):
                await stage.send(NUMBER, reference=f"m-{number}")
            page = await stage.messages(offset=1, limit=3)
            assert [message["reference"] for message in page] == ["m-1", "m-2", "m-3"]

    run(work())


def test_a_reference_accepted_twice_is_a_duplicate() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            outcomes = [await stage.send(NUMBER) for _ in range(3)]
            await stage.send(NUMBER, reference="m-2")
            stats = await stage.quiet()
            assert (stats["submits"], stats["unique_references"], stats["duplicates"]) == (4, 2, 2)
            assert stats["receipts_sent"] == 4
            assert len({outcome.refs for outcome in outcomes if isinstance(outcome, Accepted)}) == 3

    run(work())


def test_with_dedupe_a_reference_is_accepted_once_with_the_same_response() -> None:
    async def work() -> None:
        async with running_sandbox(dedupe=True) as stage:
            first, again = await stage.send(NUMBER), await stage.send(NUMBER)
            stats = await stage.quiet()
            assert first == again
            assert (stats["unique_references"], stats["duplicates"], stats["receipts_sent"]) == (1, 1, 1)

    run(work())


def test_settings_change_while_it_runs() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            assert isinstance(await stage.send(NUMBER), Accepted)
            shown = (await stage.change(reject_rate=1)).json()
            assert shown["reject_rate"] == 1
            assert shown["latency_ms"] == 0
            assert isinstance(await stage.send(NUMBER), Rejected)
            await stage.change(reject_rate=0, defer_rate=1)
            assert isinstance(await stage.send(NUMBER), Deferred)
            await stage.change(defer_rate=0, unknown_rate=1)
            assert isinstance(await stage.send(NUMBER), Unknown)
            assert (await stage.client.get("/settings")).json()["unknown_rate"] == 1

    run(work())


@pytest.mark.parametrize("settings", [{"latency_ms": -1}, {"colour": "red"}, {"receipt_url": "ftp://x"}])
def test_a_wrong_setting_changes_nothing(settings: dict[str, object]) -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            before = (await stage.client.get("/settings")).json()
            assert (await stage.change(**settings)).status_code == 422
            assert (await stage.client.get("/settings")).json() == before

    run(work())


def test_secrets_are_not_shown() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            shown = (await stage.client.get("/settings")).json()
            assert (shown["token"], shown["receipt_secret"]) == ("***", "***")

    run(work())


def test_failures_repeat_with_their_seed() -> None:
    async def kinds() -> list[type[Outcome]]:
        async with running_sandbox(reject_rate=0.3, defer_rate=0.3, unknown_rate=0.2, seed=7) as stage:
            return [type(await stage.send(NUMBER, reference=f"m-{n}")) for n in range(30)]

    first = run(kinds())
    assert first == run(kinds())
    assert set(first) == {Accepted, Rejected, Deferred, Unknown}


def test_above_its_rate_in_segments_it_throttles_and_says_when() -> None:
    async def work() -> None:
        async with running_sandbox(tps=4) as stage:
            assert isinstance(await stage.send(NUMBER, segments=3), Accepted)
            outcome = await stage.send(NUMBER, reference="m-2", segments=3)
            assert isinstance(outcome, Deferred)
            assert outcome.after is not None
            assert 1 <= outcome.after.total_seconds() <= 2
            stats = await stage.stats()
            assert (stats["throttled"], stats["unique_references"]) == (1, 1)

    run(work())


def test_latency_delays_the_response_but_not_the_acceptance() -> None:
    async def work() -> None:
        async with running_sandbox(latency_ms=60_000, call_timeout=0.2) as stage:
            assert isinstance(await stage.send(NUMBER), Unknown)
            assert (await stage.stats())["accepted"] == 1

    run(work())


def test_the_slow_tail_is_a_share_of_all() -> None:
    async def work() -> None:
        async with running_sandbox(slow_share=0.5, slow_ms=60_000, call_timeout=1.0) as stage:
            sent = (stage.send(NUMBER, reference=f"m-{n}") for n in range(40))
            kinds = [type(outcome) for outcome in await asyncio.gather(*sent)]
            assert 5 <= kinds.count(Unknown) <= 35
            assert kinds.count(Accepted) + kinds.count(Unknown) == 40

    run(work())


def test_a_wrong_token_is_refused() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            answer = await stage.client.post("/submit", headers={"Authorization": "Bearer wrong"}, json={})
            assert answer.status_code == 401
            assert (await stage.stats())["submits"] == 0

    run(work())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 99_999,
        b'{"to": "+1", "text": "x"}',
        b'{"to": 1, "text": "x", "reference": "r"}',
        b'{"to": "+1", "text": "x", "reference": "r", "segments": 0}',
        b'{"to": "+1", "text": "x", "reference": "r", "receipt_url": "http://"}',
    ],
)
def test_a_malformed_submit_is_refused_and_counted_as_invalid(body: bytes) -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            answer = await stage.client.post("/submit", content=body, headers=JSON)
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == "invalid"
            stats = await stage.stats()
            assert (stats["submits"], stats["invalid"]) == (0, 1)

    run(work())


def test_reset_deletes_everything_but_the_settings() -> None:
    async def work() -> None:
        async with running_sandbox(receipt_delay_ms=60_000, tps=100) as stage:
            first = await stage.send(NUMBER)
            assert (await stage.stats())["pending_receipts"] == 1
            await stage.client.post("/reset")
            stats = await stage.stats()
            assert (stats["submits"], stats["pending_receipts"], stats["first_at"]) == (0, 0, None)
            assert await stage.messages() == []
            assert (await stage.client.get("/settings")).json()["tps"] == 100
            assert await stage.send(NUMBER) != first

    run(work())


def test_the_health_check_and_the_list_of_numbers_are_served() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            assert (await stage.client.get("/healthz")).json() == {"status": "ok"}
            assert "990043" in (await stage.client.get("/numbers")).json()

    run(work())


def test_many_submits_at_once_are_all_counted() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            sent = (stage.send(NUMBER, reference=f"m-{n}") for n in range(500))
            outcomes = await asyncio.gather(*sent)
            assert all(isinstance(outcome, Accepted) for outcome in outcomes)
            stats = await stage.quiet()
            assert stats["unique_references"] == stats["receipts_sent"] == len(stage.reports()) == 500
            assert stats["in_flight"] == 0

    run(work())
