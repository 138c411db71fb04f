"""Deliveries of the SMSC: reported, then answered; batched, joined, and never lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import Inbound, ProviderReports, ReceiptReport
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.smpp.constants import Command, CommandStatus, EsmClass, Tag
from dispatcher.smpp.pdu import Pdu, Sm, encode
from tests.providers.smpp.smsc import (
    HANDSET,
    SENDER,
    Line,
    Script,
    a_message,
    a_provider,
    a_receipt,
    an_smsc,
    from_a_handset,
    wide_open,
)
from tests.providers.transports import LOOPS, Run, run

OK, LATER = CommandStatus.ESME_ROK, CommandStatus.ESME_RX_T_APPN


class Keeper:
    """Stores reports; `failure` is raised instead, `may_go` delays it."""

    def __init__(self) -> None:
        self.batches: list[list[ProviderReports]] = []
        self.failure: Exception | None = None
        self.was_called = asyncio.Event()
        self.may_go = asyncio.Event()
        self.may_go.set()

    @property
    def reported(self) -> list[ProviderReports]:
        return [reported for batch in self.batches for reported in batch]

    async def __call__(self, reported: Sequence[ProviderReports]) -> None:
        self.batches.append(list(reported))
        self.was_called.set()
        await self.may_go.wait()
        if self.failure:
            raise self.failure


async def reported_of(*messages: Sm, **options: Any) -> list[ProviderReports]:
    keeper = Keeper()
    async with an_smsc() as smsc, a_provider(smsc.port, **options) as provider:
        provider.listen(keeper)
        await smsc.until(lambda smsc: smsc.binds)
        [line] = smsc.lines
        line.deliver(*messages)
        await smsc.until(lambda _: len(line.answers) == len(messages))
        assert set(line.answers) == {OK}
    return keeper.reported


@LOOPS
def test_a_receipt_reports_the_final_status_with_the_id(run: Run) -> None:
    assert run(reported_of(a_receipt("p-1"))) == [ReceiptReport("p-1", None, Status.RECEIVED, "DELIVRD")]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("DELIVRD", Status.RECEIVED),
        ("EXPIRED", Status.TOO_LATE),
        ("DELETED", Status.FAILED),
        ("UNDELIV", Status.FAILED),
        ("REJECTD", Status.FAILED),
        ("FAILED", Status.FAILED),
        ("SKIPPED", Status.FAILED),
        ("ENROUTE", None),
        ("ACCEPTD", None),
        ("UNKNOWN", None),
        ("FLUMMOX", None),
    ],
)
def test_each_word_has_its_end_and_none_is_guessed(word: str, status: Status | None) -> None:
    assert run(reported_of(a_receipt("p-1", word))) == [ReceiptReport("p-1", None, status, word)]


def test_an_operator_may_say_what_words_and_errors_mean() -> None:
    receipts = [a_receipt("1", "ACCEPTD"), a_receipt("2", "UNDELIV", "034"), a_receipt("3", "DELIVRD", "034")]
    assert run(reported_of(*receipts, words={"acceptd": 13}, errors={"34": 33})) == [
        ReceiptReport("1", None, Status.RECEIVED, "ACCEPTD"),
        ReceiptReport("2", None, Status.UNREACHABLE, "UNDELIV, error 034"),
        ReceiptReport("3", None, Status.RECEIVED, "DELIVRD, error 034"),
    ]


def test_an_intermediate_notification_changes_no_status() -> None:
    on_the_way = a_receipt("p-1", "UNDELIV")._replace(esm_class=EsmClass.INTERMEDIATE)
    assert run(reported_of(on_the_way)) == [ReceiptReport("p-1", None, None, "UNDELIV")]


def test_an_id_in_two_bases_is_normalized_to_one() -> None:
    async def work() -> None:
        keeper = Keeper()

        def accept(line: Line, pdu: Pdu) -> None:
            line.write(encode(Command.SUBMIT_SM_RESP, sequence=pdu.sequence, body=b"0001A2B\0"))
            line.deliver(a_receipt("0000006699"))

        script: dict[int, Script] = {Command.SUBMIT_SM: accept}
        async with an_smsc(script) as smsc, a_provider(smsc.port, ids="hex-to-decimal") as provider:
            provider.listen(keeper)
            (outcome,) = await provider.send([a_message()], wide_open)
            await smsc.until(lambda smsc: smsc.lines[0].answers)
            [reported] = keeper.reported
            assert isinstance(reported, ReceiptReport)
            assert outcome.refs == (reported.ref,)  # type: ignore[union-attr]

    run(work())


def test_a_receipt_that_names_no_message_is_answered_and_not_reported() -> None:
    nameless = Sm(HANDSET, SENDER, text=b"stat:DELIVRD", esm_class=EsmClass.RECEIPT)
    assert run(reported_of(nameless)) == []


def test_a_delivery_is_answered_only_after_it_is_stored() -> None:
    async def work() -> None:
        keeper = Keeper()
        keeper.may_go.clear()
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(keeper)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            line.deliver(a_receipt("p-1"))
            line.write(encode(Command.ENQUIRE_LINK, sequence=77))
            await smsc.until(lambda smsc: smsc.all(Command.ENQUIRE_LINK_RESP))
            assert keeper.reported
            assert line.answers == []
            keeper.may_go.set()
            await smsc.until(lambda _: line.answers)
            assert line.answers == [OK]

    run(work())


@pytest.mark.parametrize("failure", [Unavailable("Postgres is away"), KeyError("a bug")], ids=["away", "bug"])
def test_a_delivery_that_could_not_be_stored_is_repeated_by_the_smsc(failure: Exception) -> None:
    async def work() -> None:
        keeper = Keeper()
        keeper.failure = failure
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(keeper)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            line.deliver(a_receipt("p-1"))
            await smsc.until(lambda _: len(line.answers) == 1)
            keeper.failure = None
            line.deliver(a_receipt("p-1"))
            await smsc.until(lambda _: len(line.answers) == 2)
            assert line.answers == [LATER, OK]

    run(work())


def test_one_report_that_fails_does_not_stop_the_others() -> None:
    async def work() -> None:
        reported: list[ProviderReports] = []

        async def keep(some: Sequence[ProviderReports]) -> None:
            if any(isinstance(one, ReceiptReport) and one.ref == "poison" for one in some):
                raise KeyError("a bug")
            reported.extend(some)

        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(keep)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            line.deliver(a_receipt("p-1"), a_receipt("poison"), a_receipt("p-2"))
            await smsc.until(lambda _: len(line.answers) == 3)
            assert line.answers == [OK, LATER, OK]
            assert [one.ref for one in reported if isinstance(one, ReceiptReport)] == ["p-1", "p-2"]

    run(work())


@LOOPS
def test_deliveries_that_arrive_during_a_report_are_reported_together(run: Run) -> None:
    async def work() -> None:
        keeper = Keeper()
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(keeper)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            line.deliver(*[a_receipt(f"p-{number}") for number in range(1000)])
            await smsc.until(lambda _: len(line.answers) == 1000)
            assert [reported.ref for reported in keeper.reported] == [f"p-{number}" for number in range(1000)]
            assert len(keeper.batches) < 20

    run(work())


def test_an_unreadable_delivery_is_refused_permanently() -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(Keeper())
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            line.write(encode(Command.DELIVER_SM, sequence=1, body=b"\0\1"))
            line.deliver(a_receipt("p-1")._replace(tlvs={Tag.MESSAGE_STATE: b"\2"}))
            await smsc.until(lambda smsc: len(smsc.all(Command.DELIVER_SM_RESP)) == 2)
            statuses = [pdu.status for pdu in smsc.all(Command.DELIVER_SM_RESP)]
            assert statuses == [CommandStatus.ESME_RX_P_APPN, OK]

    run(work())


def test_without_listen_a_delivery_is_refused_for_now() -> None:
    async def work() -> None:
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            await provider.send([a_message()], wide_open)
            [line] = smsc.lines
            line.deliver(a_receipt("p-1"))
            await smsc.until(lambda _: line.answers)
            assert line.answers == [LATER]

    run(work())


def test_a_message_of_a_handset_is_reported_with_its_numbers() -> None:
    assert run(reported_of(from_a_handset("STOP"))) == [Inbound("+254701234567", "40404", "STOP")]


def a_part(text: str, total: int, number: int) -> InboundPart:
    return InboundPart("+254701234567", "40404", "9", total, number, text.encode(), "gsm7")


def test_each_part_of_a_handsets_message_is_reported_and_answered_at_once() -> None:
    async def work() -> None:
        keeper = Keeper()
        async with an_smsc() as smsc, a_provider(smsc.port, join=3600) as provider:
            provider.listen(keeper)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            for number, text in ((3, "c"), (1, "a"), (1, "a"), (2, "b")):
                unanswered = len(line.answers)
                line.deliver(from_a_handset(text, joint=(9, 3, number)))
                await smsc.until(lambda _: len(line.answers) > unanswered)  # noqa: B023 - awaited at once
            line.deliver(a_receipt("p-1"))
            await smsc.until(lambda _: len(line.answers) == 5)
            assert set(line.answers) == {OK}
        expected = [a_part("c", 3, 3), a_part("a", 3, 1), a_part("a", 3, 1), a_part("b", 3, 2)]
        join = timedelta(hours=1)
        assert keeper.reported[:4] == [replace(part, join=join) for part in expected]

    run(work())


def test_a_part_keeps_its_octets_and_their_alphabet() -> None:
    part = from_a_handset("", joint=(9, 2, 1))
    cut = part._replace(text=part.text + b"\xd8\x3d", data_coding=0x19)
    [reported] = run(reported_of(cut))
    assert isinstance(reported, InboundPart)
    assert (reported.octets, reported.alphabet) == (b"\xd8\x3d", "utf-16-be")


def test_data_is_answered_and_not_reported() -> None:
    assert run(reported_of(from_a_handset("\1\2")._replace(data_coding=4))) == []


def test_the_default_alphabet_is_an_option() -> None:
    sm = from_a_handset("")._replace(text=b"caf\xe9")
    [reported] = run(reported_of(sm, default_alphabet="latin1"))
    assert reported == Inbound("+254701234567", "40404", "café")


@pytest.mark.parametrize("end", [b"\0", b"\4\x27\0\1"], ids=["an octet", "a cut parameter"])
def test_octets_behind_a_receipt_are_ignored_and_remarked(end: bytes) -> None:
    async def work() -> None:
        keeper = Keeper()
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(keeper)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            line.write(encode(Command.DELIVER_SM, sequence=1, body=a_receipt("p-1").encode() + end))
            line.write(encode(Command.DELIVER_SM, sequence=2, body=from_a_handset("Hi").encode() + end))
            await smsc.until(lambda _: len(line.answers) == 2)
            assert line.answers == [OK, OK]
        remark = f"octets at its end that were ignored: {len(end)}"
        assert keeper.reported == [
            ReceiptReport("p-1", None, Status.RECEIVED, "DELIVRD", remark=remark),
            Inbound("+254701234567", "40404", "Hi"),
        ]

    run(work())


def test_receipts_and_messages_may_come_by_data_sm() -> None:
    async def work() -> None:
        keeper = Keeper()
        by_tlv = Sm(
            HANDSET,
            SENDER,
            esm_class=EsmClass.RECEIPT,
            tlvs={Tag.RECEIPTED_MESSAGE_ID: b"p-2\0", Tag.MESSAGE_STATE: b"\x09"},
        )
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(keeper)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            for number, sm in enumerate((a_receipt("p-1", "FAILED"), by_tlv, from_a_handset("Hi")), 1):
                line.write(encode(Command.DATA_SM, sequence=number, body=sm.encode_data()))
            await smsc.until(lambda smsc: len(smsc.all(Command.DATA_SM_RESP)) == 3)
            assert {(pdu.status, pdu.body) for pdu in smsc.all(Command.DATA_SM_RESP)} == {(OK, b"\0")}
        assert keeper.reported == [
            ReceiptReport("p-1", None, Status.FAILED, "FAILED"),
            ReceiptReport("p-2", None, Status.FAILED, "SKIPPED"),
            Inbound("+254701234567", "40404", "Hi"),
        ]

    run(work())


def test_close_waits_until_the_current_batch_is_stored() -> None:
    async def work() -> None:
        keeper = Keeper()
        keeper.may_go.clear()
        async with an_smsc() as smsc, a_provider(smsc.port) as provider:
            provider.listen(keeper)
            await smsc.until(lambda smsc: smsc.binds)
            [line] = smsc.lines
            line.deliver(a_receipt("p-1"))
            await keeper.was_called.wait()
            closing = asyncio.create_task(provider.close())
            await asyncio.sleep(0)
            keeper.may_go.set()
            await closing
            await smsc.until_left()
            assert line.answers == [OK]
            assert len(keeper.reported) == 1

    run(work())
