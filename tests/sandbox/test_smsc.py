"""The SMPP server as an ESME sees it: binds, submits and their responses."""

import asyncio

import pytest

from dispatcher.sandbox.bodies import ERRORS
from dispatcher.sandbox.numbers import SPECIAL, SubmitAnswer
from dispatcher.smpp.constants import Command, CommandStatus, DataCoding, EsmClass, Tag
from dispatcher.smpp.pdu import encode
from dispatcher.smpp.text import add_part_headers
from dispatcher.smpp.tlvs import decode_tlvs
from tests.sandbox.esme import NUMBER, Esme, opened, sm
from tests.sandbox.running_sandbox import run

C = CommandStatus


@pytest.mark.parametrize(
    "command",
    [Command.BIND_TRANSMITTER, Command.BIND_RECEIVER, Command.BIND_TRANSCEIVER],
    ids=lambda c: c.name,
)
def test_a_bind_response_has_the_version(command: Command) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme(command) as esme:
            (bound,) = esme.heard
            assert decode_tlvs(bound.body, bound.body.index(0) + 1).tlvs == {
                Tag.SC_INTERFACE_VERSION: b"\x34"
            }
            assert (await booth.stats())["binds"] == 1

    run(work())


def test_with_a_password_and_a_system_id_set_others_are_refused() -> None:
    async def work() -> None:
        async with (
            opened(smpp_system_id="acme", smpp_password="secret") as booth,
            booth.esme(None) as esme,
        ):
            assert await esme.bind(system_id="other", password="secret") == C.ESME_RINVSYSID
            assert await esme.bind(system_id="acme", password="secret2") == C.ESME_RINVPASWD
            assert (await esme.ask(Command.BIND_TRANSCEIVER, b"acme\0")).status == C.ESME_RBINDFAIL
            assert (await booth.stats())["binds"] == 0
            assert await esme.bind(system_id="acme", password="secret") == C.ESME_ROK

    run(work())


def test_one_bind_too_many_is_refused_as_already_bound_until_another_ends() -> None:
    async def work() -> None:
        async with opened(smpp_most_binds=1) as booth, booth.esme(None) as late:
            async with booth.esme() as early, booth.esme(system_id="other"):
                assert await late.bind() == C.ESME_RALYBND
                assert await early.bind() == C.ESME_RALYBND, "twice on one connection"
                assert (await early.ask(Command.UNBIND)).status == C.ESME_ROK
                await early.task
            assert await late.bind() == C.ESME_ROK

    run(work())


@pytest.mark.parametrize("command", [None, Command.BIND_RECEIVER], ids=["unbound", "receiver"])
def test_a_submit_needs_a_bind_that_sends(command: Command | None) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme(command) as esme:
            assert (await esme.submit())[0] == C.ESME_RINVBNDSTS
            assert (await booth.stats())["submits"] == 0

    run(work())


def test_a_submit_is_kept_and_found_by_its_number() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            status, message_id = await esme.submit(text=b"hello \x00")
            assert status == C.ESME_ROK
            await booth.quiet()
            (message,) = await booth.messages(to=f"+{NUMBER}")
            assert await booth.messages(reference=message["reference"]) == [message]
            assert message["ids"] == [message_id]
            assert {
                name: message[name] for name in ("to", "from", "text", "segments", "accepted", "status")
            } == {
                "to": f"+{NUMBER}",
                "from": "ACME",
                "text": "hello @",
                "segments": 1,
                "accepted": 1,
                "status": "DELIVRD",
            }
            assert await booth.messages(to="+1") == []

    run(work())


def test_the_same_submit_again_is_a_duplicate_and_another_text_number_validity_or_part_is_not() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            first, second = add_part_headers((b"one", b"two"), reference=7)
            (again, _) = add_part_headers((b"one", b"two"), reference=8)
            for fields in (
                {},
                {"text": b"other"},
                {"to": "254700000000"},
                {"validity_period": "260301120000000+"},
                {"text": first, "esm_class": EsmClass.UDH},
                {"text": second, "esm_class": EsmClass.UDH},
            ):
                await esme.submit(**fields)
            stats = await booth.stats()
            assert (stats["submits"], stats["unique_references"], stats["duplicates"]) == (6, 6, 0)
            await esme.submit()
            await esme.submit(
                text=again, esm_class=EsmClass.UDH
            )  # a try writes another reference of the parts
            stats = await booth.stats()
            assert (stats["submits"], stats["unique_references"], stats["duplicates"]) == (8, 6, 2)

    run(work())


def test_http_and_smpp_share_one_network() -> None:
    async def work() -> None:
        async with opened(tps=2) as booth, booth.esme() as esme:
            await esme.submit()
            body = {"to": f"+{NUMBER}", "text": "over HTTP", "reference": "m-1"}
            assert (await booth.client.post("/submit", json=body)).status_code == 200
            assert [message["text"] for message in await booth.messages(to=f"+{NUMBER}")] == [
                "hello",
                "over HTTP",
            ]
            assert (await esme.submit(text=b"too many"))[0] == C.ESME_RTHROTTLED
            assert (await booth.stats())["throttled"] == 1

    run(work())


@pytest.mark.parametrize(("length", "segments"), [(160, 1), (161, 2), (459, 3), (460, 4)])
def test_a_long_text_in_one_pdu_counts_as_its_segments(length: int, segments: int) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            await esme.submit(text=b"", tlvs={Tag.MESSAGE_PAYLOAD: b"a" * length})
            (message,) = await booth.messages()
            assert (len(message["text"]), message["segments"]) == (length, segments)

    run(work())


@pytest.mark.parametrize(
    ("written", "said"),
    [("d", "{:d}"), ("x", "{:x}"), ("X", "{:X}"), ("020d", "{:020d}"), ("016X", "{:016X}")],
)
def test_ids_are_written_as_the_settings_say(written: str, said: str) -> None:
    async def work() -> None:
        async with opened(smpp_ids=written, smpp_receipt_ids="d") as booth, booth.esme() as esme:
            _, message_id = await esme.submit()
            (message,) = await booth.messages()
            (receipt,) = await esme.receipts(1)
            assert message_id == said.format(int(message["ids"][0]))
            assert receipt.id == message["ids"][0]

    run(work())


STATUSES = {
    SubmitAnswer.LATER: C.ESME_RMSGQFUL,
    SubmitAnswer.THROTTLED: C.ESME_RTHROTTLED,
    SubmitAnswer.FAILED: C.ESME_RUNKNOWNERR,
}


@pytest.mark.parametrize(
    "ending", [e for e, s in SPECIAL.items() if s.answer not in {SubmitAnswer.SILENCE, SubmitAnswer.HANG_UP}]
)
def test_a_special_number_is_answered_with_its_status(ending: str) -> None:
    script = SPECIAL[ending]

    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            status, message_id = await esme.submit(f"2547019900{ending}")
            expected = ERRORS[script.error] if script.error else STATUSES.get(script.answer, C.ESME_ROK)
            assert status == (expected if script.part is None else C.ESME_ROK)
            assert bool(message_id) == (status == C.ESME_ROK)

    run(work())


@pytest.mark.parametrize(
    ("ending", "statuses"),
    [
        ("64", [C.ESME_ROK, C.ESME_RMSGQFUL, C.ESME_ROK, C.ESME_ROK]),
        ("65", [C.ESME_ROK, C.ESME_RTHROTTLED, C.ESME_ROK, C.ESME_ROK]),
        ("66", [C.ESME_ROK, C.ESME_RSUBMITFAIL, C.ESME_ROK, C.ESME_RSUBMITFAIL]),
    ],
)
def test_a_number_may_be_about_one_part(ending: str, statuses: list[int]) -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            parts = add_part_headers((b"one", b"two", b"three"), reference=7)
            submits = [
                await esme.submit(f"2547019900{ending}", part, esm_class=EsmClass.UDH)
                for part in (*parts, parts[1])
            ]
            assert [status for status, _ in submits] == statuses
            first, *_ = await booth.messages(to=f"+2547019900{ending}")
            assert first["part"] == {"number": 1, "total": 3, "references": [7]}

    run(work())


def test_a_submit_beyond_the_window_is_throttled_and_never_reaches_the_network() -> None:
    async def work() -> None:
        async with (
            opened(smpp_submit_window=2, latency_ms=20) as booth,
            booth.esme() as esme,
            booth.esme() as other,
        ):
            texts = (b"1", b"2", b"3")
            answers = await asyncio.gather(*[esme.submit(text=text) for text in texts], other.submit())
            assert [status for status, _ in answers] == [
                C.ESME_ROK,
                C.ESME_ROK,
                C.ESME_RTHROTTLED,
                C.ESME_ROK,
            ]
            assert (await esme.submit(text=b"3"))[0] == C.ESME_ROK
            stats = await booth.quiet()
            assert (stats["submits"], stats["throttled"], stats["accepted"]) == (5, 1, 4)

    run(work())


def test_one_submit_in_so_many_is_throttled() -> None:
    async def work() -> None:
        async with opened(smpp_throttle_every=3) as booth, booth.esme() as esme:
            answers = [(await esme.submit(text=b"%d" % n))[0] for n in range(7)]
            assert [n for n, status in enumerate(answers, 1) if status == C.ESME_RTHROTTLED] == [3, 6]

    run(work())


def test_a_number_that_hangs_up_ends_the_connection_and_one_that_is_silent_does_not() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            silent = esme.request(Command.SUBMIT_SM, sm("254701990043").encode())
            assert (await esme.submit())[0] == C.ESME_ROK, "later submits are answered"
            assert not silent.done()
            with pytest.raises(ConnectionError):
                await esme.submit("254701990050")
            with pytest.raises(ConnectionError):
                await silent
            stats = await booth.stats()
            assert (stats["accepted"], stats["lost"], stats["binds"]) == (2, 1, 0)

    run(work())


def test_latency_delays_each_answer_and_keeps_their_order() -> None:
    async def work() -> None:
        async with opened(latency_ms=50) as booth, booth.esme() as esme:
            loop = asyncio.get_running_loop()
            began = loop.time()
            answers = [esme.request(Command.SUBMIT_SM, sm(text=b"%d" % n).encode()) for n in range(100)]
            assert (await booth.stats())["in_flight"] == 100
            await asyncio.gather(*answers)
            assert 0.05 <= loop.time() - began < 1
            sequences = [pdu.sequence for pdu in esme.heard if pdu.command == Command.SUBMIT_SM_RESP]
            assert sequences == sorted(sequences)

    run(work())


def test_a_submit_without_a_number_or_truncated_is_refused_and_counted_as_invalid() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            assert (await esme.submit(""))[0] == C.ESME_RINVDSTADR
            assert (await esme.ask(Command.SUBMIT_SM, sm().encode()[:-1])).status == C.ESME_RINVMSGLEN
            latin = sm().encode().replace(b"ACME", b"ACM\xc9")
            assert (await esme.ask(Command.SUBMIT_SM, latin)).status == C.ESME_RINVSRCADR
            stats = await booth.stats()
            assert (stats["submits"], stats["invalid"]) == (0, 3)

    run(work())


def test_ucs2_is_decoded() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            await esme.submit(text="Привет 👋".encode("utf-16-be"), data_coding=DataCoding.UCS2)
            (message,) = await booth.messages()
            assert message["text"] == "Привет 👋"

    run(work())


def test_an_unknown_command_gets_a_generic_nack() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            nack = await esme.ask(0x7FFF)
            assert (nack.command, nack.status) == (Command.GENERIC_NACK, C.ESME_RINVCMDID)
            assert (await esme.submit())[0] == C.ESME_ROK

    run(work())


def test_octets_that_are_not_smpp_get_a_generic_nack_and_end_the_connection() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            esme.write(b"GET / HTTP/1.1\r\n\r\n")
            await esme.task
            assert (esme.heard[-1].command, esme.heard[-1].status) == (
                Command.GENERIC_NACK,
                C.ESME_RINVCMDLEN,
            )
            assert (await booth.stats())["invalid"] == 1

    run(work())


def test_both_sides_send_enquire_link_and_a_silent_esme_is_disconnected() -> None:
    async def work() -> None:
        async with opened(smpp_enquire_s=0.05) as booth, booth.esme() as esme:
            assert (await esme.ask(Command.ENQUIRE_LINK)).command == Command.ENQUIRE_LINK_RESP
            await asyncio.wait_for(esme.task, 5)
            assert [pdu.command for pdu in esme.heard].count(Command.ENQUIRE_LINK) == 1
            assert (await booth.stats())["binds"] == 0

    run(work())


def test_it_unbinds_its_esmes_when_it_stops() -> None:
    async def work() -> None:
        async with opened() as booth:
            bound, unbound = await Esme.connect(booth.port), await Esme.connect(booth.port)
            await bound.bind()
            await unbound.ask(Command.ENQUIRE_LINK)
        await asyncio.gather(bound.task, unbound.task)
        assert bound.heard[-1].command == Command.UNBIND

    run(work())


def test_pdus_may_come_in_pieces_and_together() -> None:
    async def work() -> None:
        async with opened() as booth, booth.esme() as esme:
            stream = b"".join(
                encode(Command.SUBMIT_SM, sequence=100 + n, body=sm(text=b"%d" % n).encode())
                for n in range(3)
            )
            for at in range(0, len(stream), 37):
                esme.write(stream[at : at + 37])
                await asyncio.sleep(0)
            assert (await esme.submit())[0] == C.ESME_ROK
            assert (await booth.stats())["unique_references"] == 4

    run(work())
