"""Binds: made, refused, lost and made again, and the messages in the meantime."""

import asyncio
from pathlib import Path

import pytest

from dispatcher.domain.delivery.provider import Accepted, Unknown, Unsent
from dispatcher.providers.smpp import SmppProvider
from dispatcher.smpp.constants import Command, CommandStatus
from dispatcher.smpp.pdu import encode
from tests.providers.conformance import CountingGate
from tests.providers.peer import closed_port, deaf_port
from tests.providers.smpp.smsc import (
    PASSWORD,
    Script,
    a_message,
    a_provider,
    an_smsc,
    forget,
    hang_up,
    ignore,
    messages,
    nack,
    refuse,
    say,
    welcome,
    wide_open,
)
from tests.providers.transports import LOOPS, Certificate, Run, run

TRANSCEIVER, TRANSMITTER = Command.BIND_TRANSCEIVER, Command.BIND_TRANSMITTER


def test_listen_binds_immediately_as_a_transceiver_with_the_credentials() -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port, system_type="SMS", binds=2) as provider:
            provider.listen(forget)
            await smsc.until(lambda smsc: len(smsc.all(TRANSCEIVER)) == 2)
            bind = smsc.binds[0]
            assert (bind.system_id, bind.password, bind.system_type) == ("us", PASSWORD, "SMS")
            assert bind.version == 0x34

    run(work())


def test_without_listen_the_provider_binds_as_a_transmitter() -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            assert not smsc.lines
            await provider.send([a_message()], wide_open)
            assert len(smsc.all(TRANSMITTER)) == 1
            assert not smsc.all(TRANSCEIVER)

    run(work())


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (refuse(CommandStatus.ESME_RINVPASWD), "not bound: the SMSC refused the bind: ESME_RINVPASWD"),
        (refuse(CommandStatus.ESME_RALYBND), "not bound: the SMSC refused the bind: ESME_RALYBND"),
        (nack(CommandStatus.ESME_RINVCMDID), "not bound: the SMSC refused the bind: ESME_RINVCMDID"),
        (hang_up, "not bound: no connection: "),
        (ignore, "not bound: no connection: it took too long"),
        (say(b"SSH-2.0-OpenSSH_9.6\r\n"), "not bound: no connection: the SMSC does not speak SMPP: "),
    ],
    ids=["wrong password", "bound elsewhere", "knows no transceiver", "hangs up", "silent", "garbage"],
)
def test_without_a_bind_a_message_is_unsent_with_the_reason(script: Script, reason: str) -> None:
    async def work() -> None:
        gate = CountingGate()
        async with (
            an_smsc({TRANSMITTER: script}) as smsc,
            a_provider(smsc.port, connect_timeout=0.3 if script is ignore else 3) as provider,
        ):
            for _ in range(2):  # the first waits for the bind, the second need not
                (outcome,) = await provider.send([a_message()], gate)
                assert isinstance(outcome, Unsent)
                assert outcome.reason.startswith(reason)
        assert gate.asked == 0

    run(work())


def test_a_refused_bind_is_retried_and_then_messages_are_sent() -> None:
    async def work() -> None:
        async with (
            an_smsc({TRANSMITTER: refuse(CommandStatus.ESME_RALYBND)}) as smsc,
            a_provider(smsc.port, refused_pause=0.05) as provider,
        ):
            await provider.send([a_message()], wide_open)
            smsc.script[TRANSMITTER] = welcome
            tries = len(smsc.all(TRANSMITTER))
            await smsc.until(lambda smsc: len(smsc.all(TRANSMITTER)) > tries)
            assert await until_accepted(provider)

    run(work())


@LOOPS
def test_a_refused_connection_is_unsent(run: Run) -> None:
    async def work() -> None:
        with closed_port() as port:
            async with a_provider(port) as provider:
                (outcome,) = await provider.send([a_message()], wide_open)
                assert isinstance(outcome, Unsent)
                assert outcome.reason.startswith("not bound: no connection: ")

    run(work())


def test_a_connection_that_is_late_is_unsent() -> None:
    async def work() -> None:
        with deaf_port() as port:
            async with a_provider(port, connect_timeout=0.1) as provider:
                (outcome,) = await provider.send([a_message()], wide_open)
                assert outcome == Unsent("not bound: no connection: it took too long")

    run(work())


def test_an_unknown_host_is_unsent() -> None:
    async def work() -> None:
        async with a_provider(1, host="nobody.invalid") as provider:
            (outcome,) = await provider.send([a_message()], wide_open)
            assert isinstance(outcome, Unsent)

    run(work())


@LOOPS
def test_a_lost_bind_is_made_again(run: Run) -> None:
    async def work() -> None:
        async with an_smsc({Command.SUBMIT_SM: hang_up}) as smsc, a_provider(smsc.port) as provider:
            (outcome,) = await provider.send([a_message()], wide_open)
            assert isinstance(outcome, Unknown)
            del smsc.script[Command.SUBMIT_SM]
            await smsc.until(lambda smsc: len(smsc.binds) == 2)
            assert await until_accepted(provider)

    run(work())


@pytest.mark.parametrize(
    "script",
    [ignore, say(b"\0\0"), say(encode(Command.ENQUIRE_LINK_RESP, sequence=9)[:15])],
    ids=["silent", "two octets", "half an answer"],
)
def test_a_bind_to_a_silent_smsc_is_closed_and_made_again(script: Script) -> None:
    async def work() -> None:
        async with (
            an_smsc({Command.ENQUIRE_LINK: script}) as smsc,
            a_provider(smsc.port, enquire_link=0.05, call_timeout=0.1) as provider,
        ):
            provider.listen(forget)
            await smsc.until(lambda smsc: len(smsc.binds) >= 2)
            assert smsc.all(Command.ENQUIRE_LINK)

    run(work())


def test_a_bind_to_a_live_smsc_is_kept_however_long_nothing_is_sent() -> None:
    async def work() -> None:
        async with (
            an_smsc() as smsc,
            a_provider(smsc.port, enquire_link=0.02) as provider,
        ):
            provider.listen(forget)
            await smsc.until(lambda smsc: len(smsc.all(Command.ENQUIRE_LINK)) >= 5)
            assert len(smsc.lines) == 1

    run(work())


def test_the_smsc_may_enquire_and_unknown_requests_get_a_generic_nack() -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(forget)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            line.write(encode(Command.ENQUIRE_LINK, sequence=5) + encode(Command.QUERY_SM, sequence=6))
            await smsc.until(lambda smsc: smsc.all(Command.GENERIC_NACK))
            [answer] = smsc.all(Command.ENQUIRE_LINK_RESP)
            [no] = smsc.all(Command.GENERIC_NACK)
            assert (answer.sequence, answer.status) == (5, 0)
            assert (no.sequence, no.status) == (6, CommandStatus.ESME_RINVCMDID)

    run(work())


def test_after_an_unbind_of_the_smsc_we_answer_and_bind_again() -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(forget)
            await smsc.until(lambda smsc: smsc.binds)
            smsc.lines[0].write(encode(Command.UNBIND, sequence=5))
            await smsc.until(lambda smsc: len(smsc.binds) == 2)
            assert [pdu.sequence for pdu in smsc.all(Command.UNBIND_RESP)] == [5]

    run(work())


@LOOPS
def test_close_unbinds_and_sends_no_more(run: Run) -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port, binds=2) as provider:
            await provider.send(messages(4), wide_open)
            await smsc.until(lambda smsc: len(smsc.binds) == 2)
            await provider.close()
            await smsc.until_left()
            assert len(smsc.all(Command.UNBIND)) == 2
            assert await provider.send([a_message()], wide_open) == [Unsent("the provider was closed")]

    run(work())


def test_close_waits_for_no_smsc_that_does_not_answer() -> None:
    async def work() -> None:
        script: dict[int, Script] = {Command.UNBIND: ignore, Command.SUBMIT_SM: ignore}
        async with an_smsc(script) as smsc, a_provider(smsc.port, window=1) as provider:
            call = asyncio.create_task(provider.send(messages(2), wide_open))
            await smsc.until(lambda smsc: smsc.submits)
            async with asyncio.timeout(3):
                await provider.close()
                outcomes = await call
            assert [type(outcome) for outcome in outcomes] == [Unknown, Unsent]

    run(work())


@LOOPS
def test_tls_connects_to_the_host_that_the_certificate_names(run: Run, tmp_path: Path) -> None:
    theirs, others = (Certificate(tmp_path, name=name) for name in ("localhost", "elsewhere"))
    files = {"localhost": str(tmp_path / "localhost.pem"), "elsewhere": str(tmp_path / "elsewhere.pem")}
    assert theirs is not others

    async def work() -> None:
        async with an_smsc(tls=theirs.server()) as smsc:
            trusting = a_provider(smsc.port, host="localhost", tls=True, ca_file=files["localhost"])
            async with trusting as provider:
                (outcome,) = await provider.send([a_message()], wide_open)
                assert isinstance(outcome, Accepted)
            wary = a_provider(smsc.port, host="localhost", tls=True, ca_file=files["elsewhere"])
            async with wary as provider:
                (outcome,) = await provider.send([a_message()], wide_open)
                assert isinstance(outcome, Unsent)
                assert "certificate" in outcome.reason

    run(work())


async def until_accepted(provider: SmppProvider) -> bool:
    """Send until the bind that the SMSC accepted is in use here too."""
    async with asyncio.timeout(5):
        while True:
            (outcome,) = await provider.send([a_message()], wide_open)
            if isinstance(outcome, Accepted):
                return True
            await asyncio.sleep(0.01)
