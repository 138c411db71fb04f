"""The rules of every provider, on real sockets. `conformance.py` explains how to add one."""

import asyncio
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import pytest

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    Polls,
    Provider,
    ReceiptReport,
    ReceiptRequest,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.errors import BadReceipt, BadSignature, Unavailable
from dispatcher.domain.messages.status import Status
from tests.providers.cases.bird import BIRD
from tests.providers.cases.infobip import INFOBIP
from tests.providers.cases.kannel import KANNEL
from tests.providers.cases.plivo import PLIVO
from tests.providers.cases.sinch import SINCH
from tests.providers.cases.smsgate import SMSGATE
from tests.providers.cases.telnyx import TELNYX
from tests.providers.cases.twilio import TWILIO
from tests.providers.cases.vonage import VONAGE
from tests.providers.conformance import (
    CASES,
    CREDENTIAL,
    RETRY_AFTER,
    Behaviour,
    Case,
    CountingGate,
    a_message,
)
from tests.providers.peer import closed_port, deaf_port
from tests.providers.transports import run

RECIPES = [BIRD, INFOBIP, KANNEL, PLIVO, SINCH, TELNYX]
PLUGINS = [
    SMSGATE,
    TWILIO,
    VONAGE,
]

pytestmark = pytest.mark.parametrize("case", [*CASES, *PLUGINS, *RECIPES], ids=lambda case: case.name)


def wide_open() -> bool:
    return True


async def send_one(case: Case, behaviour: Behaviour, *, call_timeout: float = 5.0) -> Outcome:
    async with case.peer(behaviour) as peer:
        provider = case.open(port=peer.port, call_timeout=call_timeout)
        try:
            (outcome,) = await provider.send([a_message()], wide_open)
        finally:
            await provider.close()
    return outcome


def the_report(provider: Provider, request: ReceiptRequest) -> ReceiptReport:
    (reported,) = provider.read_receipt(request)
    assert isinstance(reported, ReceiptReport)
    return reported


def test_an_accepted_message_has_all_references_of_the_provider(case: Case) -> None:
    assert run(send_one(case, Behaviour.ACCEPTS)) == Accepted(case.refs)


def test_every_request_says_who_we_are_and_which_version(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.ACCEPTS) as peer:
            provider = case.open(port=peer.port)
            await provider.send([a_message()], wide_open)
            if isinstance(provider, Polls):
                with suppress(Unavailable):
                    await provider.poll(["p-1"])
            await provider.close()
            assert len(peer.requests) == 1 + isinstance(provider, Polls)
            for got in peer.requests:
                assert f"user-agent: sms-dispatcher/{version('sms-dispatcher')}" in got.head.lower().split(
                    "\r\n"
                )

    run(work())


def test_a_batch_gets_one_outcome_for_each_message_in_order(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.ACCEPTS) as peer:
            provider = case.open(port=peer.port)
            batch = [a_message(f"m-{number}") for number in range(provider.max_batch)]
            outcomes = await provider.send(batch, wide_open)
            await provider.close()
            assert len(outcomes) == len(batch)
            assert case.references(peer) == [message.reference for message in batch]

    run(work())


def test_a_refusal_is_a_value_with_a_code_of_the_missed(case: Case) -> None:
    outcome = run(send_one(case, Behaviour.REJECTS))
    assert isinstance(outcome, Rejected)
    assert outcome.status.is_missed
    assert outcome.reason


def test_a_deferred_message_waits_as_long_as_the_provider_says(case: Case) -> None:
    outcome = run(send_one(case, Behaviour.SAYS_LATER))
    assert isinstance(outcome, Deferred)
    assert outcome.after == RETRY_AFTER


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour.HANGS_UP, Behaviour.ANSWERS_HALF, Behaviour.TALKS_GARBAGE, Behaviour.FAILS],
    ids=lambda behaviour: behaviour.name,
)
def test_a_request_that_was_read_and_not_answered_is_unknown(case: Case, behaviour: Behaviour) -> None:
    assert isinstance(run(send_one(case, behaviour)), Unknown)


def test_no_answer_in_time_is_unknown(case: Case) -> None:
    assert isinstance(run(send_one(case, Behaviour.IS_SILENT, call_timeout=0.2)), Unknown)


def test_a_request_without_a_response_is_written_once(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.HANGS_UP) as peer:
            provider = case.open(port=peer.port)
            await provider.send([a_message()], wide_open)
            await provider.close()
            assert case.references(peer) == ["m-1"]

    run(work())


def test_a_refused_connection_is_unsent_and_the_gate_is_not_asked(case: Case) -> None:
    async def work() -> None:
        gate = CountingGate()
        with closed_port() as port:
            provider = case.open(port=port)
            (outcome,) = await provider.send([a_message()], gate)
            await provider.close()
        assert isinstance(outcome, Unsent)
        assert gate.asked == 0

    run(work())


def test_a_connection_that_is_late_is_unsent_and_the_gate_is_not_asked(case: Case) -> None:
    async def work() -> None:
        gate = CountingGate()
        with deaf_port() as port:
            provider = case.open(port=port, call_timeout=0.2)
            (outcome,) = await provider.send([a_message()], gate)
            await provider.close()
        assert isinstance(outcome, Unsent)
        assert gate.asked == 0

    run(work())


def test_an_unknown_host_is_unsent(case: Case) -> None:
    async def work() -> None:
        provider = case.open(host="nobody.invalid", port=80)
        (outcome,) = await provider.send([a_message()], wide_open)
        await provider.close()
        assert isinstance(outcome, Unsent)

    run(work())


def test_no_free_connection_in_time_is_unsent_and_the_peer_never_sees_it(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.IS_SILENT) as peer:
            provider = case.open(port=peer.port, call_timeout=0.3, max_connections=1)
            references = [f"m-{number}" for number in range(6)]
            calls = [provider.send([a_message(reference)], wide_open) for reference in references]
            outcomes = [outcome for (outcome,) in await asyncio.gather(*calls)]
            await provider.close()
            unsent = {
                r for r, outcome in zip(references, outcomes, strict=True) if isinstance(outcome, Unsent)
            }
            assert isinstance(outcomes[0], Unknown)
            assert unsent
            assert set(case.references(peer)) == set(references) - unsent

    run(work())


def test_a_closed_gate_is_unsent_and_no_byte_is_written(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.ACCEPTS) as peer:
            provider = case.open(port=peer.port)
            (outcome,) = await provider.send([a_message()], lambda: False)
            await provider.close()
            await peer.until_left()
            assert isinstance(outcome, Unsent)
            assert peer.bytes_received == 0

    run(work())


def test_the_gate_is_asked_only_when_a_connection_is_free(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.ACCEPTS) as peer:
            provider = case.open(port=peer.port, max_connections=1)
            written_when_asked: list[int] = []

            def gate() -> bool:
                written_when_asked.append(len(peer.requests))
                return True

            await asyncio.gather(*(provider.send([a_message(f"m-{n}")], gate) for n in range(4)))
            await provider.close()
            assert written_when_asked == [0, 1, 2, 3]

    run(work())


def test_after_many_closed_gates_the_provider_still_sends(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.ACCEPTS) as peer:
            provider = case.open(port=peer.port, max_connections=2)
            for _ in range(100):
                (outcome,) = await provider.send([a_message()], lambda: False)
                assert isinstance(outcome, Unsent)
            (outcome,) = await provider.send([a_message()], wide_open)
            assert isinstance(outcome, Accepted)
            assert peer.open_connections <= 2
            await provider.close()

    run(work())


def test_every_attempt_carries_the_same_reference(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.SAYS_LATER) as peer:
            provider = case.open(port=peer.port)
            for attempt in (1, 2, 3):
                await provider.send([a_message(attempt=attempt)], wide_open)
            await provider.close()
            assert case.references(peer) == ["m-1"] * 3

    run(work())


def test_no_credential_and_no_text_is_in_a_url(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.ACCEPTS) as peer:
            provider = case.open(port=peer.port)
            await provider.send([a_message(text="confidential")], wide_open)
            await provider.close()
            assert CREDENTIAL not in peer.requests[0].target
            assert "confidential" not in peer.requests[0].target

    run(work())


def test_close_ends_every_connection(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.ACCEPTS) as peer:
            provider = case.open(port=peer.port)
            await asyncio.gather(*(provider.send([a_message(f"m-{n}")], wide_open) for n in range(5)))
            await provider.close()
            await peer.until_left()
            assert peer.open_connections == 0

    run(work())


def test_a_call_that_is_cancelled_leaves_the_provider_usable(case: Case) -> None:
    async def work() -> None:
        async with case.peer(Behaviour.IS_SILENT) as peer:
            provider = case.open(port=peer.port, call_timeout=0.2, max_connections=1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(provider.send([a_message()], wide_open), 0.05)
            (outcome,) = await provider.send([a_message("m-2")], wide_open)
            await provider.close()
            assert isinstance(outcome, Unknown)
            assert case.references(peer) == ["m-1", "m-2"]

    run(work())


def test_a_receipt_names_its_message_and_its_end(case: Case) -> None:
    async def work(provider: Provider) -> None:
        delivered = the_report(provider, case.receipt(case.delivered))
        assert delivered.ref == case.receipt_ref
        assert delivered.status is Status.RECEIVED
        lost = the_report(provider, case.receipt(case.undelivered))
        assert lost.status is not None
        assert lost.status.is_missed
        assert case.undelivered in lost.reason

    run(_with_provider(case, work))


def test_an_unknown_word_of_a_receipt_changes_no_status_and_is_kept(case: Case) -> None:
    async def work(provider: Provider) -> None:
        report = the_report(provider, case.receipt("NEVERHEARD"))
        assert report.status is None
        assert "NEVERHEARD" in report.reason

    run(_with_provider(case, work))


def test_a_forged_receipt_is_refused(case: Case) -> None:
    async def work(provider: Provider) -> None:
        with pytest.raises(BadSignature):
            provider.read_receipt(case.forged(case.receipt(case.delivered)))

    run(_with_provider(case, work))


def test_a_receipt_of_garbage_is_refused(case: Case) -> None:
    async def work(provider: Provider) -> None:
        with pytest.raises(BadReceipt) as refused:
            provider.read_receipt(case.garbage)
        assert not isinstance(refused.value, BadSignature)

    run(_with_provider(case, work))


async def _with_provider(case: Case, work: Any) -> None:
    provider = case.open(port=9)
    try:
        await work(provider)
    finally:
        await provider.close()
