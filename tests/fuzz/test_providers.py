"""Receipts and answers of every provider, behind a right signature."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, get_args
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import strategies as st

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import (
    Inbound,
    InboundData,
    Outcome,
    ReceiptReport,
    ReceiptRequest,
)
from dispatcher.domain.errors import BadReceipt, BadSignature
from tests.fuzz.examples import changed_fields, changed_json, changed_octets, fuzz, json_values
from tests.providers.cases import bird, infobip, kannel, plivo, sinch, smsgate, telnyx, twilio, vonage
from tests.providers.conformance import CASES, CREDENTIAL, Behaviour, Case, a_message, signed_request
from tests.providers.peer import Got, Reply, http_reply, listening

ALL = [
    CASES[0],
    smsgate.SMSGATE,
    twilio.TWILIO,
    vonage.VONAGE,
    bird.BIRD,
    infobip.INFOBIP,
    kannel.KANNEL,
    plivo.PLIVO,
    sinch.SINCH,
    telnyx.TELNYX,
]
CASE = pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
WORDS = ["delivered", "failed", "", "\0", "DELIVRD", "é"]

BODIES: Mapping[str, Callable[[bytes], ReceiptRequest]] = {
    "http": signed_request,
    "smsgate": smsgate.signed,
    "sinch": sinch.signed,
    "telnyx": telnyx.signed,
    "infobip": lambda body: ReceiptRequest("POST", {}, {"token": CREDENTIAL}, body),
}
"""The signers of a body, of providers that post JSON."""

FORMS: Mapping[str, Callable[[dict[str, str]], ReceiptRequest]] = {
    "twilio": lambda fields: twilio.signed(fields, url=f"{twilio.RECEIPTS}?reference=m-1"),
    "vonage": lambda fields: vonage.posted(vonage.with_sig(fields)),
    "bird": bird.called,
    "kannel": lambda fields: kannel.called(urlencode(fields)),
    "plivo": plivo.posted,
}
"""The signers of fields, of providers that send those."""


def _fields_of(request: ReceiptRequest) -> dict[str, str]:
    url = request.url.partition("?")[2]
    return dict(parse_qsl(request.body.decode() or urlencode(request.query) or url, keep_blank_values=True))


def _receipts(case: Case) -> st.SearchStrategy[ReceiptRequest]:
    """Return signed receipts with faults, like one that the provider sends."""
    real = case.receipt(case.delivered)
    if case.name not in BODIES:
        return changed_fields(_fields_of(real)).map(FORMS[case.name])
    documents = changed_json(json.loads(real.body)).map(lambda found: json.dumps(found).encode())
    return (documents | changed_octets(st.just(real.body)) | st.binary(max_size=200)).map(BODIES[case.name])


def _unsigned(body: bytes) -> ReceiptRequest:
    return ReceiptRequest("POST", {}, {}, body)


@CASE
def test_any_receipt_is_read_or_refused_in_the_documented_way(case: Case) -> None:
    provider = case.open(port=1)

    @fuzz(_receipts(case) | st.builds(case.receipt, st.sampled_from(WORDS)))
    def check(request: ReceiptRequest) -> None:
        try:
            reports = provider.read_receipt(request)
        except (BadReceipt, BadSignature):
            return
        for report in reports:
            assert isinstance(report, ReceiptReport | Inbound | InboundData | InboundPart), report

    try:
        check()
    finally:
        asyncio.run(provider.close())


@CASE
@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"a":' * 200_000, b"a=1&" * 250_000, b"\0" * 1_000_000])
def test_a_large_receipt_is_refused_and_its_words_are_short(case: Case, body: bytes) -> None:
    provider = case.open(port=1)
    sign = BODIES.get(case.name, _unsigned)
    try:
        with pytest.raises((BadReceipt, BadSignature)) as refused:
            provider.read_receipt(sign(body))
        assert len(str(refused.value)) < 500
    finally:
        asyncio.run(provider.close())


def _reply(status: int, body: bytes, wait: str) -> bytes:
    return http_reply(status, body, Retry_After=wait)


def _answers(document: Any) -> st.SearchStrategy[bytes]:
    """Return responses of HTTP with faults, like one of the provider."""
    status = st.sampled_from([200, 201, 202, 204, 301, 304, 400, 401, 403, 404, 409, 422, 429, 500, 503])
    dates = ["Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Oct 99999 07:28:00 +9999"]
    after = st.sampled_from(["7", "-1", "x", "9" * 400, "\xff", "0.5", "1e400", *dates])
    documents = changed_json(document) | json_values if document is not None else json_values
    bodies = documents.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=80)
    whole = st.builds(_reply, status, bodies, after)
    return whole | changed_octets(whole) | st.binary(max_size=200)


async def _document_of(case: Case) -> Any:
    """Return what the provider answers to a message that it accepts; None if that is not JSON."""
    answer = b""
    async with case.peer(Behaviour.ACCEPTS) as peer:
        provider = case.open(port=peer.port)
        await provider.send([a_message()], lambda: True)
        await provider.close()
        got = peer.requests[0]
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        writer.write(got.head.encode() + b"\r\n\r\n" + got.body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        answer = await reader.readexactly(int(length.split(b":")[1]))
        writer.close()
    try:
        return json.loads(answer)
    except ValueError:
        return None


@CASE
def test_any_answer_is_an_outcome(case: Case) -> None:
    document = asyncio.run(_document_of(case))

    @fuzz(_answers(document), st.booleans())
    def check(answer: bytes, hangs_up: bool) -> None:
        async def send() -> None:
            def reply(_got: Got, _number: int) -> Reply:
                return Reply(answer, hang_up=hangs_up)

            async with listening(reply) as peer:
                provider = case.open(port=peer.port, call_timeout=0.2)
                try:
                    [outcome] = await provider.send([a_message()], lambda: True)
                finally:
                    await provider.close()
            assert isinstance(outcome, get_args(Outcome)), outcome

        asyncio.run(send())

    check()
