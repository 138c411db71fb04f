"""Data of handsets, such as binary messages and media, is accepted and left out, and never read as text."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from dispatcher.domain.delivery.provider import Inbound, InboundData, ReceiptRequest
from dispatcher.domain.errors import BadSignature
from dispatcher.service.inbound import messages
from dispatcher.service.receipts import ingest
from tests.providers.cases import infobip, kannel, plivo, sinch, smsgate, telnyx, twilio, vonage
from tests.providers.conformance import Case
from tests.providers.conversation import talking
from tests.providers.test_twilio import INBOUND as TWILIO_TEXT
from tests.providers.test_vonage_receipts import INBOUND as VONAGE_TEXT
from tests.world import World

TWILIO_MEDIA = {"NumMedia": "1", "MediaUrl0": "https://api.example/1", "MediaContentType0": "image/png"}
PLIVO_MEDIA = {"From": "254701234567", "To": "14155550123", "Type": "mms", "Media0": "https://m.example/1"}


def _sinch(kind: str, body: object) -> ReceiptRequest:
    message = {"type": kind, "id": "d-1", "from": "254701234567", "to": "22345", "body": body, "udh": "0605"}
    return sinch.signed(json.dumps(message).encode())


def _telnyx(text: str | None) -> ReceiptRequest:
    payload = {
        "id": "d-1",
        "type": "MMS",
        "from": {"phone_number": "+254701234567"},
        "to": [{"phone_number": "+17735550002"}],
        "text": text,
        "media": [{"url": "https://m.example/1", "content_type": "image/png"}],
    }
    event = {"data": {"event_type": "message.received", "id": "e", "payload": payload}}
    return telnyx.signed(json.dumps(event).encode())


def _vonage(changes: Mapping[str, str]) -> ReceiptRequest:
    text = {name: value for name, value in VONAGE_TEXT.items() if name not in ("text", "keyword")}
    return vonage.posted(vonage.with_sig(text | {"type": "binary"} | dict(changes)))


def _infobip() -> ReceiptRequest:
    media = {"messageId": "d-1", "from": "254701234567", "to": "22345", "receivedAt": "2026-03-01T12:00:00Z"}
    return infobip.posted({"results": [media]})


def _kannel(charset: str) -> ReceiptRequest:
    return kannel.called(f"from=1&to=2&text=%01%FF&charset={charset}&id=d-1&at=1772366400")


DATA = [
    (sinch.SINCH, _sinch("mo_binary", "AP8=")),
    (sinch.SINCH, _sinch("mo_media", {"subject": "Hi", "media": [{"url": "https://m.example/1"}]})),
    (kannel.KANNEL, _kannel("8-BIT")),
    (kannel.KANNEL, _kannel("binary")),
    (telnyx.TELNYX, _telnyx(None)),
    (telnyx.TELNYX, _telnyx("")),
    (plivo.PLIVO, plivo.posted(PLIVO_MEDIA | {"MessageUUID": "d-1"}, reference=None)),
    (plivo.PLIVO, plivo.posted(PLIVO_MEDIA | {"MessageUUID": "d-1", "Text": ""}, reference=None)),
    (infobip.INFOBIP, _infobip()),
    (vonage.VONAGE, _vonage({"data": "0011", "udh": "06"})),
    (vonage.VONAGE, _vonage({"data": "0011", "udh": "06", "text": "x"})),
    (vonage.VONAGE, _vonage({"udh": "06", "text": "0011"})),
    (twilio.TWILIO, twilio.signed(TWILIO_TEXT | TWILIO_MEDIA | {"Body": ""})),
    (smsgate.SMSGATE, smsgate.event("sms:data-received", messageId="d-1", data="AP8=", sender="+1650555")),
    (smsgate.SMSGATE, smsgate.event("mms:received", messageId="d-1", sender="+16505551212")),
]


@pytest.mark.parametrize(("case", "request_"), DATA)
def test_data_is_accepted_and_is_no_text(case: Case, request_: ReceiptRequest) -> None:
    [reported] = talking(case).read(request_)
    assert isinstance(reported, InboundData)


BESIDE = [
    (telnyx.TELNYX, _telnyx("Look"), "Look"),
    (plivo.PLIVO, plivo.posted(PLIVO_MEDIA | {"MessageUUID": "d-1", "Text": "Look"}, reference=None), "Look"),
    (twilio.TWILIO, twilio.signed(TWILIO_TEXT | TWILIO_MEDIA), TWILIO_TEXT["Body"]),
]


@pytest.mark.parametrize(("case", "request_", "text"), BESIDE)
def test_a_text_beside_media_is_kept(case: Case, request_: ReceiptRequest, text: str) -> None:
    reported, left_out = talking(case).read(request_)
    assert isinstance(reported, Inbound)
    assert reported.text == text
    assert isinstance(left_out, InboundData)


def test_data_is_accepted_only_with_a_signature() -> None:
    request = _sinch("mo_binary", "AP8=")
    with pytest.raises(BadSignature):
        talking(sinch.SINCH).read(replace(request, body=request.body + b" "))


def test_data_is_logged_and_counted_and_no_message_is_stored(world: World) -> None:
    async def story() -> None:
        with capture_logs() as lines:
            kept = await ingest.keep(world.ctx, "sim", [InboundData("mo_binary", "d-1")])
        assert (kept.count, kept.has_left) == (1, False)
        [line] = [line for line in lines if line["event"] == "inbound_data_left_out"]
        assert (line["provider"], line["kind"], line["ref"]) == ("sim", "mo_binary", "d-1")
        assert await messages.page(world.ctx) == []

    world.run(story)
