"""Submits and their responses over real sockets: every way in which a call can end."""

import asyncio
from typing import Any

import pytest

from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    PartlyAccepted,
    ReceiptRequest,
    Rejected,
    Unaccepted,
    Unknown,
    Unsent,
)
from dispatcher.domain.errors import BadReceipt
from dispatcher.domain.messages.status import Status
from dispatcher.smpp.constants import Command, CommandStatus
from dispatcher.smpp.pdu import Pdu, encode, encode_id, respond
from tests.providers.smpp.smsc import (
    Line,
    Script,
    a_message,
    a_provider,
    accept,
    an_smsc,
    bound,
    hang_up,
    ignore,
    messages,
    nack,
    refuse,
    say,
    wide_open,
)
from tests.providers.transports import LOOPS, Run, run

SUBMIT = Command.SUBMIT_SM


NO_ANSWER = Unknown("no answer within 0.5 s")


async def outcome_of(
    script: Script, *, text: str = "hello", call_timeout: float = 5.0, **options: Any
) -> Outcome:
    async with (
        an_smsc({SUBMIT: script}) as smsc,
        a_provider(smsc.port, call_timeout=call_timeout, **options) as provider,
    ):
        await bound(provider, smsc)
        (outcome,) = await provider.send([a_message(text)], wide_open)
    return outcome


@LOOPS
def test_an_accepted_message_has_an_id_for_each_part(run: Run) -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            outcomes = await provider.send([a_message("short"), a_message("x" * 200)], wide_open)
            assert outcomes == [Accepted(("p-1",)), Accepted(("p-2", "p-3"))]

    run(work())


@LOOPS
def test_answers_in_any_order_reach_their_messages(run: Run) -> None:
    async def work() -> None:
        def when_all_are_there(line: Line, pdu: Pdu) -> None:
            submits = smsc.all(SUBMIT)
            if len(submits) == 20:
                for number, one in reversed(list(enumerate(submits))):
                    line.write(respond(one, body=encode_id(f"p-{number}")))

        async with an_smsc({SUBMIT: when_all_are_there}) as smsc, a_provider(smsc.port) as provider:
            outcomes = await provider.send(messages(20), wide_open)
            assert outcomes == [Accepted((f"p-{number}",)) for number in range(20)]
            assert smsc.texts == [f"m-{number}" for number in range(20)]

    run(work())


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (refuse(CommandStatus.ESME_RINVDSTADR), Rejected(Status.INVALID_NUMBER, "ESME_RINVDSTADR")),
        (refuse(CommandStatus.ESME_RTHROTTLED), Deferred("ESME_RTHROTTLED")),
        (refuse(0x413), Deferred("0x413")),
        (nack(CommandStatus.ESME_RINVCMDLEN), Deferred("ESME_RINVCMDLEN")),
        (refuse(CommandStatus.ESME_RUNKNOWNERR), Unknown("ESME_RUNKNOWNERR")),
        (ignore, NO_ANSWER),
        (hang_up, Unknown("the SMSC closed the connection before it answered")),
        (
            lambda line, pdu: line.write(respond(pdu, body=encode_id("p-1"))[:-3]),
            NO_ANSWER,
        ),
        (
            say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            Unknown(
                "the SMSC does not speak SMPP: a PDU has 16 to 70000 octets, but this one says 1213486160"
                " before it answered"
            ),
        ),
        (say(encode(Command.SUBMIT_SM_RESP, sequence=999)), NO_ANSWER),
        (say(encode(Command.UNBIND, sequence=7)), Unknown("the SMSC unbound before it answered")),
    ],
    ids=[
        "refused",
        "throttled",
        "vendor's own",
        "generic_nack",
        "unknown error",
        "silent",
        "hangs up",
        "half an answer",
        "garbage",
        "another's answer",
        "takes leave",
    ],
)
def test_each_end_of_a_submit_has_its_outcome(script: Script, outcome: Outcome) -> None:
    call_timeout = 0.5 if outcome == NO_ANSWER else 5.0
    assert run(outcome_of(script, call_timeout=call_timeout)) == outcome


def test_an_operators_meaning_of_a_status_counts() -> None:
    outcome = run(outcome_of(refuse(0x413), statuses={"0x413": 31}))
    assert outcome == Rejected(Status.BLOCKED, "0x413")


def second(script: Script) -> Script:
    """Accept each part but the second."""
    return lambda line, pdu: (script if len(line.smsc.submits) == 2 else accept)(line, pdu)


@pytest.mark.parametrize(
    ("script", "rest"),
    [
        (refuse(CommandStatus.ESME_RTHROTTLED), Deferred("ESME_RTHROTTLED")),
        (refuse(CommandStatus.ESME_RMSGQFUL), Deferred("ESME_RMSGQFUL")),
        (refuse(0x413), Deferred("0x413")),
        (nack(CommandStatus.ESME_RINVCMDLEN), Deferred("ESME_RINVCMDLEN")),
        (refuse(CommandStatus.ESME_RUNKNOWNERR), Unknown("ESME_RUNKNOWNERR")),
        (refuse(CommandStatus.ESME_RSUBMITFAIL), Rejected(Status.FAILED, "ESME_RSUBMITFAIL")),
        (ignore, NO_ANSWER),
    ],
)
def test_parts_that_are_taken_are_known_whatever_becomes_of_another(script: Script, rest: Unaccepted) -> None:
    outcome = run(outcome_of(second(script), text="x" * 400, call_timeout=0.5))
    assert outcome == PartlyAccepted(3, {1: "p-1", 3: "p-3"}, rest)


def test_after_a_refused_part_no_other_is_written() -> None:
    async def work() -> None:
        script = second(refuse(CommandStatus.ESME_RSUBMITFAIL))
        async with an_smsc({SUBMIT: script}) as smsc, a_provider(smsc.port, window=1) as provider:
            [outcome] = await provider.send([a_message("x" * 700)], wide_open)
            assert outcome == PartlyAccepted(5, {1: "p-1"}, Rejected(Status.FAILED, "ESME_RSUBMITFAIL"))
            assert len(smsc.submits) == 2

    run(work())


def test_a_rejected_part_outweighs_one_without_a_response() -> None:
    def script(line: Line, pdu: Pdu) -> None:
        (ignore if len(line.smsc.submits) == 1 else refuse(CommandStatus.ESME_RSUBMITFAIL))(line, pdu)

    assert run(outcome_of(script, text="x" * 200, call_timeout=0.5)) == Rejected(
        Status.FAILED, "ESME_RSUBMITFAIL"
    )


def test_a_connection_that_ends_makes_only_written_messages_unknown() -> None:
    async def work() -> None:
        def at_the_third(line: Line, pdu: Pdu) -> None:
            if len(line.smsc.submits) == 3:
                line.smsc.script[Command.BIND_TRANSMITTER] = refuse(CommandStatus.ESME_RBINDFAIL)
                line.transport.close()

        async with an_smsc({SUBMIT: at_the_third}) as smsc, a_provider(smsc.port, window=3) as provider:
            outcomes = await provider.send(messages(5), wide_open)
            assert [type(outcome) for outcome in outcomes] == [Unknown] * 3 + [Unsent] * 2
            assert len(smsc.submits) == 3

    run(work())


def test_a_call_that_is_cancelled_leaves_the_provider_usable() -> None:
    async def work() -> None:
        async with an_smsc({SUBMIT: ignore}) as smsc, a_provider(smsc.port, window=1) as provider:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(provider.send(messages(2), wide_open), 0.1)
            smsc.script[SUBMIT] = accept
            (outcome,) = await provider.send([a_message("after")], wide_open)
            assert isinstance(outcome, Accepted)
            assert smsc.texts == ["m-0", "after"]

    run(work())


def test_a_message_that_smpp_cannot_carry_does_not_stop_the_others() -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            batch = [a_message("a"), a_message(sender="x" * 30), a_message("b")]
            outcomes = await provider.send(batch, wide_open)
            assert [type(outcome) for outcome in outcomes] == [Accepted, Rejected, Accepted]
            assert smsc.texts == ["a", "b"]

    run(work())


def test_no_url_of_ours_takes_its_receipts() -> None:
    async def work() -> None:
        async with a_provider(1) as provider:
            with pytest.raises(BadReceipt):
                provider.read_receipt(ReceiptRequest(method="POST", headers={}, query={}, body=b""))

    run(work())
