import socket
from dataclasses import replace

import pytest

from dispatcher.domain.delivery.provider import Inbound
from dispatcher.domain.errors import BadSignature
from dispatcher.domain.messages.status import Status
from tests.providers.peer import Got, Reply, http_reply, listening
from tests.sandbox.running_sandbox import SECRET, as_receipt, run, running_sandbox

NUMBER = "+254701234567"


def busy_twice(_got: Got, number: int) -> Reply:
    return Reply(http_reply(503 if number < 2 else 200))


def hangs_up_twice(_got: Got, number: int) -> Reply:
    return Reply(b"", hang_up=True) if number < 2 else Reply(http_reply(200))


@pytest.mark.parametrize("receiver", [busy_twice, hangs_up_twice])
def test_a_receipt_is_sent_again_until_it_is_taken(receiver: object) -> None:
    async def work() -> None:
        async with running_sandbox(receiver=receiver) as stage:  # type: ignore[arg-type]
            await stage.send(NUMBER)
            stats = await stage.quiet()
            assert (stats["receipts_sent"], stats["receipts_retried"]) == (1, 2)
            assert len({got.body for got in stage.receiver.requests}) == 1

    run(work())


def test_receipts_arrive_when_an_unavailable_receiver_is_back() -> None:
    async def work() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        async with running_sandbox() as stage:
            await stage.client.put("/settings", json={"receipt_url": f"http://127.0.0.1:{port}/receipts"})
            for number in range(20):
                await stage.client.post(
                    "/submit", json={"to": NUMBER, "text": "x", "reference": f"m-{number}"}
                )
            while (stats := await stage.stats())["receipts_retried"] < 2:
                pass
            assert (stats["receipts_sent"], stats["pending_receipts"]) == (0, 20)
            async with listening(lambda _got, _n: Reply(http_reply(200)), port=port) as receiver:
                stats = await stage.quiet()
                reports = replace(stage, receiver=receiver).reports()
            assert stats["receipts_sent"] == 20
            assert {report.reference for report in reports} == {f"m-{number}" for number in range(20)}
            assert all(report.status is Status.RECEIVED for report in reports)

    run(work())


def test_a_receipt_that_is_refused_is_not_sent_again() -> None:
    async def work() -> None:
        async with running_sandbox(receiver=lambda _got, _n: Reply(http_reply(401))) as stage:
            await stage.send(NUMBER)
            stats = await stage.quiet()
            assert (stats["receipts_sent"], stats["receipts_refused"]) == (0, 1)

    run(work())


def test_a_receipt_is_signed_with_the_secret_of_the_settings() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            await stage.change(receipt_secret=SECRET + "!")
            await stage.send(NUMBER)
            await stage.quiet()
            with pytest.raises(BadSignature):
                stage.reports()

    run(work())


def test_without_a_receipt_url_there_are_no_receipts() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            await stage.client.post("/submit", json={"to": NUMBER, "text": "x", "reference": "m-1"})
            assert (await stage.stats())["pending_receipts"] == 0

    run(work())


def test_receipts_wait_for_their_delay() -> None:
    async def work() -> None:
        async with running_sandbox(receipt_delay_ms=60_000) as stage:
            await stage.send(NUMBER)
            stats = await stage.stats()
            assert (stats["pending_receipts"], stats["receipts_sent"]) == (1, 0)

    run(work())


def test_one_dead_receiver_does_not_hold_up_another() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            dead = {
                "to": NUMBER,
                "text": "x",
                "reference": "dead",
                "receipt_url": "http://127.0.0.1:9/receipts",
            }
            await stage.client.post("/submit", json=dead)
            while not (await stage.stats())["receipts_retried"]:
                pass
            await stage.send(NUMBER)
            await stage.receiver.until(lambda peer: len(peer.requests) == 1)
            assert (await stage.stats())["pending_receipts"] >= 1

    run(work())


def test_receipts_that_wait_are_sent_in_one_batch() -> None:
    async def work() -> None:
        async with running_sandbox(receipt_connections=1, receipt_delay_ms=50) as stage:
            for number in range(100):
                await stage.send(NUMBER, reference=f"m-{number}")
            await stage.quiet()
            assert len(stage.reports()) == 100
            assert len(stage.receiver.requests) < 100

    run(work())


def test_a_handsets_message_goes_to_the_receipt_url_and_is_counted_separately() -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            written = {"from": NUMBER, "to": "22141", "text": "STOP"}
            assert (await stage.client.post("/inbound", json=written)).status_code == 409
            await stage.change(receipt_url=f"{stage.receiver.url}/receipts/sandbox")
            assert (await stage.client.post("/inbound", json=written)).json() == {"parts": 1}
            stats = await stage.quiet()
            (got,) = stage.receiver.requests
            (reported,) = stage.provider.read_receipt(as_receipt(got))
            assert isinstance(reported, Inbound)
            assert (reported.sender, reported.recipient, reported.text) == (NUMBER, "22141", "STOP")
            assert reported.ref
            assert (stats["inbound_sent"], stats["receipts_sent"], stats["submits"]) == (1, 0, 0)

    run(work())
