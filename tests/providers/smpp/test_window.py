"""The window and the gate: which messages are written when, and the outcomes of the others."""

import asyncio

from dispatcher.domain.delivery.provider import Accepted, PartlyAccepted, Unknown, Unsent
from dispatcher.smpp.constants import Command, CommandStatus
from dispatcher.smpp.pdu import Pdu, encode_id, respond
from dispatcher.smpp.text import read_content
from tests.providers.conformance import CountingGate
from tests.providers.smpp.smsc import (
    Line,
    a_message,
    a_provider,
    accept,
    an_smsc,
    bound,
    ignore,
    messages,
    welcome,
    wide_open,
)
from tests.providers.transports import LOOPS, Run, run

SUBMIT = Command.SUBMIT_SM


def test_never_more_deliveries_are_unanswered_than_the_window_and_all_arrive() -> None:
    async def work() -> None:
        out: list[int] = []

        def soon(line: Line, pdu: Pdu) -> None:
            out.append(1)
            assert len(out) <= 3
            asyncio.get_running_loop().call_later(0.002, answer, line, pdu)

        def answer(line: Line, pdu: Pdu) -> None:
            out.pop()
            accept(line, pdu)

        async with an_smsc({SUBMIT: soon}) as smsc, a_provider(smsc.port, window=3) as provider:
            assert provider.max_batch == 3
            calls = [provider.send(messages(3), wide_open) for _ in range(10)]
            outcomes = [outcome for group in await asyncio.gather(*calls) for outcome in group]
            assert len(outcomes) == 30
            assert all(isinstance(outcome, Accepted) for outcome in outcomes)

    run(work())


def test_the_window_bounds_parts_whatever_messages_they_are_of() -> None:
    async def work() -> None:
        unanswered: list[int] = []

        def answer_soon(line: Line, pdu: Pdu) -> None:
            unanswered.append(pdu.sequence)
            assert len(unanswered) <= 2
            asyncio.get_running_loop().call_later(0.002, answer, line, pdu)

        def answer(line: Line, pdu: Pdu) -> None:
            unanswered.remove(pdu.sequence)
            accept(line, pdu)

        async with an_smsc({SUBMIT: answer_soon}) as smsc, a_provider(smsc.port, window=2) as provider:
            batch = [a_message("a"), a_message("x" * 700), a_message("b")]
            outcomes = await provider.send(batch, wide_open)
            assert [len(outcome.refs) for outcome in outcomes if isinstance(outcome, Accepted)] == [1, 5, 1]

    run(work())


def test_with_a_window_of_one_the_parts_follow_each_other_each_once_with_one_reference() -> None:
    async def work() -> None:
        answering: list[int] = []

        def throttle_while_another_is_unanswered(line: Line, pdu: Pdu) -> None:
            if answering:
                line.write(respond(pdu, status=CommandStatus.ESME_RTHROTTLED))
                return
            answering.append(pdu.sequence)
            asyncio.get_running_loop().call_later(0.01, answer, line, pdu)

        def answer(line: Line, pdu: Pdu) -> None:
            answering.clear()
            accept(line, pdu)

        async with (
            an_smsc({SUBMIT: throttle_while_another_is_unanswered}) as smsc,
            a_provider(smsc.port, window=1) as provider,
        ):
            calls = [provider.send([a_message("x" * 400)], wide_open) for _ in range(3)]
            outcomes = [outcome for [outcome] in await asyncio.gather(*calls)]
            assert [isinstance(one, Accepted) and len(one.refs) for one in outcomes] == [3, 3, 3]
            sent = [read_content(sm).part_info for sm in smsc.submits]
            assert [part.number for part in sent if part] == [1, 2, 3] * 3

    run(work())


def test_a_part_that_is_written_has_at_least_half_of_the_call_for_its_answer() -> None:
    async def work() -> None:
        def slowly(line: Line, pdu: Pdu) -> None:
            asyncio.get_running_loop().call_later(0.4, accept, line, pdu)

        async with (
            an_smsc({SUBMIT: slowly}) as smsc,
            a_provider(smsc.port, window=1, call_timeout=1) as provider,
        ):
            await bound(provider, smsc)
            [outcome] = await provider.send([a_message("x" * 600)], wide_open)
            late = Unsent("no bind had space in its window within 0.5 s")
            assert outcome == PartlyAccepted(4, {1: "p-1", 2: "p-2"}, late)
            assert len(smsc.submits) == 2

    run(work())


def test_a_gate_that_closes_between_two_parts_leaves_the_rest_unsent() -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port, window=1) as provider:
            [outcome] = await provider.send([a_message("x" * 400)], lambda: not smsc.submits)
            assert outcome == PartlyAccepted(3, {1: "p-1"}, Unsent("the gate was closed"))
            assert len(smsc.submits) == 1

    run(work())


def test_without_window_space_in_time_a_message_is_unsent_and_not_written() -> None:
    async def work() -> None:
        async with (
            an_smsc({SUBMIT: ignore}) as smsc,
            a_provider(smsc.port, window=2, call_timeout=0.5) as provider,
        ):
            await bound(provider, smsc)
            outcomes = await provider.send(messages(5), wide_open)
            assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown, Unsent, Unsent, Unsent]
            assert outcomes[4] == Unsent("no bind had space in its window within 0.25 s")
            assert smsc.texts == ["m-0", "m-1"]

    run(work())


def test_a_message_without_a_response_frees_its_window_and_a_late_response_is_ignored() -> None:
    async def work() -> None:
        async with (
            an_smsc({SUBMIT: ignore}) as smsc,
            a_provider(smsc.port, window=1, call_timeout=0.5) as provider,
        ):
            await bound(provider, smsc)
            (first,) = await provider.send([a_message("first")], wide_open)
            [line], [late] = smsc.lines, smsc.all(SUBMIT)
            smsc.script[SUBMIT] = lambda line, pdu: line.write(
                respond(late, body=encode_id("late")) + respond(pdu, body=encode_id("in time"))
            )
            (second,) = await provider.send([a_message("second")], wide_open)
            assert isinstance(first, Unknown)
            assert second == Accepted(("in time",))
            assert smsc.lines == [line]

    run(work())


@LOOPS
def test_an_smsc_that_does_not_read_gets_no_more_than_fits_the_buffers(run: Run) -> None:
    async def work() -> None:
        def stop_reading(line: Line, pdu: Pdu) -> None:
            welcome(line, pdu)
            line.transport.pause_reading()

        async with (
            an_smsc({Command.BIND_TRANSMITTER: stop_reading}) as smsc,
            a_provider(smsc.port, window=10_000, long_texts="payload", call_timeout=2) as provider,
        ):
            batch = [a_message("x" * 30_000)] * 600
            outcomes = await provider.send(batch, wide_open)
            written = [outcome for outcome in outcomes if isinstance(outcome, Unknown)]
            assert 0 < len(written) < 600
            assert outcomes[len(written) :] == [Unsent("no bind had space in its window within 1 s")] * (
                600 - len(written)
            )

    run(work())


@LOOPS
def test_a_closed_gate_is_unsent_and_no_submit_is_written(run: Run) -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            outcomes = await provider.send(messages(3), lambda: False)
            assert outcomes == [Unsent("the gate was closed")] * 3
            assert isinstance((await provider.send([a_message()], wide_open))[0], Accepted)
            assert len(smsc.submits) == 1

    run(work())


def test_the_gate_is_asked_again_when_the_window_has_space_later() -> None:
    async def work() -> None:
        asked: list[int] = []

        def twice_open() -> bool:
            asked.append(len(smsc.submits))
            return len(asked) <= 2

        async with an_smsc() as smsc, a_provider(smsc.port, window=2) as provider:
            outcomes = await provider.send(messages(6), twice_open)
            accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
            assert len(accepted) == len(smsc.submits)
            assert outcomes[-1] == Unsent("the gate was closed")
            assert asked[0] == 0
            assert asked[1] > 0

    run(work())


def test_the_gate_is_asked_once_for_messages_that_are_written_together() -> None:
    async def work() -> None:
        gate = CountingGate()
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            await provider.send(messages(50), gate)
            assert gate.asked == 1

    run(work())


def test_several_binds_share_the_messages() -> None:
    async def work() -> None:
        async with (
            an_smsc({SUBMIT: ignore}) as smsc,
            a_provider(smsc.port, binds=3, window=4, call_timeout=0.3) as provider,
        ):
            await bound(provider, smsc, binds=3)
            await provider.send(messages(12), wide_open)
            submits = [sum(pdu.command == SUBMIT for pdu in line.got) for line in smsc.lines]
            assert submits == [4, 4, 4]

    run(work())
