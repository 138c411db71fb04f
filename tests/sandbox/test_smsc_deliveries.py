"""Deliveries of the SMPP server: requested receipts, until they are accepted, and handsets' messages."""

import asyncio

import pytest

from dispatcher.sandbox.bodies import STATES
from dispatcher.sandbox.numbers import SPECIAL
from dispatcher.smpp.constants import Command, CommandStatus, EsmClass, MessageState, Tag
from dispatcher.smpp.pdu import Address
from dispatcher.smpp.receipt import read_receipt
from dispatcher.smpp.text import PartInfo, add_part_headers, read_content
from tests.sandbox.esme import NUMBER, EsmeSession, is_receipt, opened, sm
from tests.sandbox.running_sandbox import run

C = CommandStatus
REPORTED = {ending: script for ending, script in SPECIAL.items() if script.taken and script.times is None}


@pytest.mark.parametrize("ending", REPORTED)
def test_a_special_number_has_the_receipts_of_its_script(ending: str) -> None:
    script = REPORTED[ending]

    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            esme.request(Command.SUBMIT_SM, sm(f"2547019900{ending}").encode())
            steps = [step for step in script.receipts if 1 in step.parts.of([1])]
            delivered = await esme.deliveries(len(steps))
            stats = await booth.quiet()
            assert stats["receipts_sent"] == len(esme.got) == len(steps)
            assert all(is_receipt(sm) for sm in delivered)
            expected = [] if script.anonymous else [STATES[step.word][0] for step in steps]
            assert [receipt.state for receipt in await esme.receipts(len(steps))] == expected

    run(work())


def test_a_receipt_has_number_id_and_error_in_its_text_and_its_parameters() -> None:
    async def work() -> None:
        async with opened(smpp_ids="x", smpp_receipt_ids="012X") as booth, booth.esme() as esme:
            _, message_id = await esme.submit("254701990033", text=b"Hello, this is a long text")
            (delivered,) = await esme.deliveries(1)
            assert delivered.source == Address(1, 1, "254701990033")
            assert delivered.destination == Address(5, 0, "ACME")
            spelled = f"{int(message_id, 16):012X}"
            text = read_content(delivered).text
            assert text.startswith(f"id:{spelled} sub:001 dlvrd:000 submit date:")
            assert text.endswith("stat:UNDELIV err:033 text:Hello, this is a lon")
            assert delivered.tlvs == {
                Tag.RECEIPTED_MESSAGE_ID: spelled.encode() + b"\0",
                Tag.MESSAGE_STATE: bytes([MessageState.UNDELIVERABLE]),
                Tag.NETWORK_ERROR_CODE: b"\x03\x00\x21",
            }

    run(work())


@pytest.mark.parametrize(("style", "has_text", "has_tlvs"), [("text", True, False), ("tlvs", False, True)])
def test_receipts_may_be_in_the_text_or_in_the_parameters_alone(
    style: str, has_text: bool, has_tlvs: bool
) -> None:
    async def work() -> None:
        async with opened(smpp_receipts=style) as booth, booth.esme() as esme:
            _, message_id = await esme.submit()
            (delivered,) = await esme.deliveries(1)
            assert (bool(delivered.text), bool(delivered.tlvs)) == (has_text, has_tlvs)
            receipt = read_receipt(delivered)
            assert receipt is not None
            assert (receipt.id, receipt.state) == (message_id, MessageState.DELIVERED)

    run(work())


@pytest.mark.parametrize(
    ("registered", "ending", "count"),
    [(0, "00", 0), (0, "38", 0), (1, "00", 1), (1, "38", 1), (2, "00", 0), (2, "38", 1)],
)
def test_a_receipt_is_sent_only_if_it_was_requested(registered: int, ending: str, count: int) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            await esme.submit(f"2547019900{ending}", registered_delivery=registered)
            stats = await booth.quiet()
            assert stats["receipts_sent"] == len(esme.got) == count

    run(work())


def test_46_is_reported_before_its_answer_and_others_after() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            for number in ("254701990046", NUMBER):
                esme.heard.clear()
                esme.got.clear()
                await esme.submit(number)
                await esme.deliveries(1)
                kinds = [pdu.command for pdu in esme.heard]
                early = [Command.DELIVER_SM, Command.SUBMIT_SM_RESP]
                assert kinds == (early if number.endswith("46") else early[::-1])

    run(work())


def test_57_loses_the_last_part_alone() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            ids = []
            for part in add_part_headers((b"a", b"b", b"c"), reference=1):
                ids.append((await esme.submit("254701990057", text=part, esm_class=EsmClass.UDH))[1])
            receipts = await esme.receipts(3)
            assert [(receipt.id, receipt.state) for receipt in receipts] == [
                (ids[0], MessageState.DELIVERED),
                (ids[1], MessageState.DELIVERED),
                (ids[2], MessageState.UNDELIVERABLE),
            ]

    run(work())


def test_receipts_go_to_any_bind_of_their_esme_that_receives_and_to_no_other() -> None:
    async def work() -> None:
        async with (
            opened() as booth,
            booth.esme(Command.BIND_TRANSMITTER) as sender,
            booth.esme(system_id="other") as other,
            booth.esme(Command.BIND_RECEIVER) as receiver,
        ):
            await sender.submit()
            await receiver.deliveries(1)
            assert sender.got == other.got == []

    run(work())


def test_receipts_wait_for_a_bind_that_receives() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme(Command.BIND_TRANSMITTER) as sender:
            await sender.submit()
            assert (await booth.stats())["pending_receipts"] == 1
            async with booth.esme(Command.BIND_RECEIVER) as receiver:
                await receiver.deliveries(1)
                assert (await booth.quiet())["receipts_sent"] == 1

    run(work())


def test_an_unacknowledged_delivery_is_repeated() -> None:
    async def work() -> None:
        async with opened(smpp_repeat_s=0.1) as booth, booth.esme() as esme:
            esme.status = None
            await esme.submit()
            await esme.deliveries(2)
            esme.status = C.ESME_ROK
            await esme.deliveries(3)
            stats = await booth.quiet()
            assert len({delivered.encode() for delivered in esme.got}) == 1
            assert stats["receipts_sent"] == 1
            assert stats["receipts_retried"] == len(esme.got) - 1

    run(work())


def test_unanswered_deliveries_of_a_lost_bind_are_sent_over_another() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as lost:
            lost.status = None
            for number in range(3):
                await lost.submit(text=b"%d" % number)
            before = await lost.receipts(3)
            async with booth.esme() as other:
                await lost.close()
                assert [receipt.id for receipt in await other.receipts(3)] == [r.id for r in before]
                stats = await booth.quiet()
                assert (stats["receipts_sent"], stats["receipts_retried"]) == (3, 3)

    run(work())


@pytest.mark.parametrize("status", [C.ESME_RX_T_APPN, C.ESME_RMSGQFUL, C.ESME_RSYSERR], ids=lambda s: s.name)
def test_a_temporarily_refused_delivery_is_repeated_later(status: CommandStatus) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            esme.status = status
            await esme.submit()
            await esme.deliveries(2)
            esme.status = C.ESME_ROK
            stats = await booth.quiet()
            assert (stats["receipts_sent"], stats["receipts_retried"]) == (1, len(esme.got) - 1)

    run(work())


@pytest.mark.parametrize("status", [C.ESME_RX_P_APPN, C.ESME_RX_R_APPN], ids=lambda s: s.name)
def test_a_permanently_refused_delivery_is_dropped(status: CommandStatus) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            esme.status = status
            await esme.submit()
            await esme.deliveries(1)
            stats = await booth.quiet()
            assert (stats["receipts_sent"], stats["receipts_refused"], len(esme.got)) == (0, 1, 1)

    run(work())


def test_never_more_parts_are_unanswered_than_the_window_holds() -> None:
    async def work() -> None:
        async with opened(smpp_window=2) as booth, booth.esme() as esme:
            esme.status = None
            for number in range(5):
                await esme.submit(text=b"%d" % number)
            assert (await esme.ask(Command.ENQUIRE_LINK)).status == C.ESME_ROK
            assert len(esme.got) == 2
            assert (await booth.stats())["pending_receipts"] == 5

    run(work())


def test_reset_deletes_waiting_and_unanswered_deliveries() -> None:
    async def work() -> None:
        async with opened(smpp_window=1, smpp_repeat_s=0.1) as booth, booth.esme() as esme:
            esme.status = None
            for number in range(3):
                await esme.submit(text=b"%d" % number)
            await booth.client.post("/reset")
            stats = await booth.stats()
            assert (stats["submits"], stats["pending_receipts"]) == (0, 0)
            esme.status = C.ESME_ROK
            await esme.submit()
            assert (await booth.quiet())["receipts_sent"] == 1
            assert len(esme.got) == 2

    run(work())


def test_many_submits_have_a_receipt_each() -> None:
    async def work() -> None:
        async with opened(receipt_delay_ms=5) as booth, booth.esme() as esme:
            answers = [esme.request(Command.SUBMIT_SM, sm(text=b"%d" % n).encode()) for n in range(2000)]
            await asyncio.gather(*answers)
            receipts = await esme.receipts(2000)
            stats = await booth.quiet()
            assert stats["unique_references"] == stats["receipts_sent"] == 2000
            assert len({receipt.id for receipt in receipts}) == len(receipts) == 2000

    run(work())


# What handsets write.


async def write(booth: EsmeSession, **body: object) -> tuple[int, dict[str, object]]:
    answer = await booth.client.post("/inbound", json={"from": f"+{NUMBER}", "to": "22141", **body})
    return answer.status_code, answer.json()


def test_a_handsets_message_is_delivered_and_counted() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            assert await write(booth, text="STOP @home") == (202, {"parts": 1})
            (delivered,) = await esme.deliveries(1)
            assert (delivered.source, delivered.destination) == (
                Address(1, 1, NUMBER),
                Address(0, 1, "22141"),
            )
            assert delivered.esm_class == 0
            assert read_content(delivered).text == "STOP @home"
            stats = await booth.quiet()
            assert (stats["inbound_sent"], stats["receipts_sent"]) == (1, 0)

    run(work())


@pytest.mark.parametrize("text", ["a" * 161, "Привет! " * 10], ids=["gsm7", "ucs2"])
def test_a_handsets_long_message_comes_in_parts(text: str) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            assert await write(booth, text=text) == (202, {"parts": 2})
            pieces = [read_content(delivered) for delivered in await esme.deliveries(2)]
            assert "".join(piece.text for piece in pieces) == text
            assert [piece.part_info for piece in pieces] == [PartInfo(1, 2, 1), PartInfo(1, 2, 2)]

    run(work())


def test_a_handsets_message_goes_to_the_esme_that_is_named() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as first, booth.esme(system_id="other") as other:
            assert (await write(booth, text="hi", system_id="other"))[0] == 202
            await other.deliveries(1)
            assert first.got == []
            assert (await write(booth, text="hi", system_id="nobody"))[0] == 409

    run(work())


def test_without_a_receiving_esme_an_inbound_message_is_refused() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme(Command.BIND_TRANSMITTER):
            assert (await write(booth, text="hi"))[0] == 409

    run(work())


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": "a\0"}, {"text": "a", "to": 5}, {"text": "a" * 60_000}]
)
def test_an_impossible_message_of_a_handset_is_refused(body: dict[str, object]) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            assert (await write(booth, **body))[0] == 400
            assert esme.got == []

    run(work())
