"""What the sandbox reads out of a submit_sm, and what it writes into a deliver_sm."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dispatcher.domain.messages.encoding import InvalidText, to_gsm7
from dispatcher.sandbox.network import ReceivedSubmit
from dispatcher.sandbox.settings import SandboxSettings
from dispatcher.smpp.constants import CommandStatus, DataCoding, EsmClass, MessageState, Tag
from dispatcher.smpp.pdu import Address, Sm
from dispatcher.smpp.receipt import write_receipt
from dispatcher.smpp.text import PartInfo, add_part_headers, encode_text, read_text

ERRORS: Final[Mapping[str, int]] = {
    "invalid_number": CommandStatus.ESME_RINVDSTADR,
    "blocked": 0x401,
    "expired": CommandStatus.ESME_RINVEXPIRY,
    "unreachable": 0x402,
    "refused": CommandStatus.ESME_RSUBMITFAIL,
    "account_refused": 0x403,
}
"""The command_status of each refusal; 0x400 to 0x4FF are every SMSC's own."""

STATES: Final[Mapping[str, tuple[MessageState, str]]] = {
    "DELIVRD": (MessageState.DELIVERED, "000"),
    "ENROUTE": (MessageState.ENROUTE, "000"),
    "EXPIRED": (MessageState.EXPIRED, "000"),
    "UNDELIV": (MessageState.UNDELIVERABLE, "038"),
    "UNREACH": (MessageState.UNDELIVERABLE, "033"),
    "INVALID": (MessageState.REJECTED, "030"),
    "BLOCKED": (MessageState.REJECTED, "031"),
    "MOONED": (MessageState.UNKNOWN, "000"),
}
"""How a receipt says each word of ours: the state, and the network's error code."""

_INTERNATIONAL: Final = 1
_ALPHANUMERIC: Final = 5
_GSM: Final = b"\3"


@dataclass(frozen=True, slots=True)
class ParsedSubmit:
    """A submit_sm as the network sees it, and what its receipts need to know."""

    submit: ReceivedSubmit
    sm: Sm
    joint: PartInfo | None


def address_fault(sm: Sm) -> CommandStatus | None:
    """Tell what no network could use."""
    if not sm.destination.value or not sm.destination.value.isascii():
        return CommandStatus.ESME_RINVDSTADR
    return None if sm.source.value.isascii() else CommandStatus.ESME_RINVSRCADR


def read_submit(sm: Sm, *, received_at: float) -> ParsedSubmit:
    """
    Read a submit.

    It has no reference, so one is made of what stays the same when it comes
    again: who writes what to whom, which part of it, and until when it is valid.
    """
    text, joint = read_text(sm)
    part = f"{joint.number}/{joint.total}" if joint else ""
    same = "\0".join((sm.source.value, sm.destination.value, part, sm.validity_period, text))
    submit = ReceivedSubmit(
        reference=hashlib.blake2b(same.encode(), digest_size=16).hexdigest(),
        to=_number(sm.destination),
        sender=_number(sm.source) or None,
        text=text,
        segments=_segments(sm),
        tier=None,
        receipt_url=None,
        received_at=received_at,
    )
    return ParsedSubmit(submit, sm, joint)


def receipt_body(
    heard: ParsedSubmit, message_id: str, word: str, *, settings: SandboxSettings, done_at: float
) -> bytes:
    """Write the body of a receipt; `message_id` "" makes one that names no message."""
    state, error = STATES[word]
    named = format(int(message_id), settings.smpp_receipt_ids) if message_id else ""
    text = b""
    tlvs: dict[int, bytes] = {}
    if settings.smpp_receipts != "tlvs":
        text = _octets(
            write_receipt(
                named,
                state,
                submitted=datetime.fromtimestamp(heard.submit.received_at, UTC),
                done=datetime.fromtimestamp(done_at, UTC),
                error=error,
                text=heard.submit.text,
            )
        )
    if settings.smpp_receipts != "text" and named:
        tlvs = {
            Tag.RECEIPTED_MESSAGE_ID: named.encode() + b"\0",
            Tag.MESSAGE_STATE: bytes([state]),
            Tag.NETWORK_ERROR_CODE: _GSM + int(error).to_bytes(2, "big"),
        }
    return Sm(heard.sm.destination, heard.sm.source, text, esm_class=EsmClass.RECEIPT, tlvs=tlvs).encode()


def inbound_bodies(sender: str, recipient: str, text: str, *, reference: int) -> Sequence[bytes]:
    """Write the bodies of a handset's message, one for each part; ValueError if SMPP cannot say it."""
    data_coding, parts = encode_text(text)
    source, destination = _address(sender), _address(recipient)
    if len(parts) == 1:
        return [Sm(source, destination, parts[0], data_coding).encode()]
    return [
        Sm(source, destination, part, data_coding, EsmClass.UDH).encode()
        for part in add_part_headers(parts, reference=reference)
    ]


def _segments(sm: Sm) -> int:
    """Count what a long text in message_payload is sent in; short_message is one part by itself."""
    length = len(sm.tlvs.get(Tag.MESSAGE_PAYLOAD, b""))
    single, part = (140, 134) if sm.data_coding == DataCoding.UCS2 else (160, 153)
    return 1 if length <= single else -(-length // part)


def _number(address: Address) -> str:
    return f"+{address.value.removeprefix('+')}" if address.ton == _INTERNATIONAL else address.value


def _address(number: str) -> Address:
    digits = number.removeprefix("+")
    if not digits.isdecimal():
        return Address(_ALPHANUMERIC, 0, number)
    return Address(_INTERNATIONAL if digits != number else 0, 1, digits)


def _octets(text: str) -> bytes:
    try:
        return to_gsm7(text)
    except InvalidText:
        return text.encode("ascii", "replace")
