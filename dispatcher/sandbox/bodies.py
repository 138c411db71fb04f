"""The bodies of the sandbox: reading submit_sm and writing deliver_sm."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dispatcher.domain.messages.encoding import InvalidText, to_gsm7
from dispatcher.sandbox.network import ReceivedSubmit
from dispatcher.sandbox.settings import SandboxSettings
from dispatcher.smpp.constants import CommandStatus, DataCoding, EsmClass, MessageState, Tag
from dispatcher.smpp.pdu import Address, Sm
from dispatcher.smpp.receipt import write_receipt
from dispatcher.smpp.text import PartInfo, read_content

ERRORS: Final[Mapping[str, int]] = {
    "invalid_number": CommandStatus.ESME_RINVDSTADR,
    "blocked": 0x401,
    "expired": CommandStatus.ESME_RINVEXPIRY,
    "unreachable": 0x402,
    "refused": CommandStatus.ESME_RSUBMITFAIL,
    "account_refused": 0x403,
}
"""The command_status of each refusal; 0x400 to 0x4FF are vendor-specific."""

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
"""The state and the network's error code of each receipt word."""

_INTERNATIONAL: Final = 1
_ALPHANUMERIC: Final = 5
_GSM: Final = b"\3"


@dataclass(frozen=True, slots=True)
class ParsedSubmit:
    """A submit_sm as the network sees it, with the data that its receipts need."""

    submit: ReceivedSubmit
    sm: Sm
    part_info: PartInfo | None


def address_fault(sm: Sm) -> CommandStatus | None:
    """Return the command_status of an unusable address; None if both addresses are usable."""
    if not sm.destination.value or not sm.destination.value.isascii():
        return CommandStatus.ESME_RINVDSTADR
    return None if sm.source.value.isascii() else CommandStatus.ESME_RINVSRCADR


def read_submit(sm: Sm, *, received_at: float) -> ParsedSubmit:
    """
    Return the submit.

    It has no reference, so one is made of the fields that stay the same in a
    retry: sender, recipient, part, validity and text.
    """
    content = read_content(sm)
    text, part_info = content.text or content.octets.hex(), content.part_info
    part = f"{part_info.number}/{part_info.total}" if part_info else ""
    identity = "\0".join((sm.source.value, sm.destination.value, part, sm.validity_period, text))
    submit = ReceivedSubmit(
        reference=hashlib.blake2b(identity.encode(), digest_size=16).hexdigest(),
        to=_number(sm.destination),
        sender=_number(sm.source) or None,
        text=text,
        segments=_segments(sm),
        tier=None,
        receipt_url=None,
        received_at=received_at,
        part=part_info,
    )
    return ParsedSubmit(submit, sm, part_info)


def receipt_body(
    parsed: ParsedSubmit, message_id: str, word: str, *, settings: SandboxSettings, done_at: float
) -> bytes:
    """
    Return the body of a receipt; with `message_id` "" it names no message.

    It is one of data_sm or of deliver_sm, as the settings say, and so are its
    word, its state and the octets behind it.
    """
    state, error = STATES[word]
    receipt_id = _receipt_id(message_id, settings) if message_id else ""
    text = b""
    tlvs: dict[int, bytes] = {}
    if settings.smpp_receipts != "tlvs":
        text = _octets(
            write_receipt(
                receipt_id,
                state,
                submitted=datetime.fromtimestamp(parsed.submit.received_at, UTC),
                done=datetime.fromtimestamp(done_at, UTC),
                error=error,
                text=parsed.submit.text,
                word=settings.smpp_receipt_words.get(word),
            )
        )
    if settings.smpp_receipts != "text" and receipt_id:
        tlvs = {
            Tag.RECEIPTED_MESSAGE_ID: receipt_id.encode() + b"\0",
            Tag.MESSAGE_STATE: bytes([settings.smpp_receipt_states.get(word, state)]),
            Tag.NETWORK_ERROR_CODE: _GSM + int(error).to_bytes(2, "big"),
        }
    sm = Sm(parsed.sm.destination, parsed.sm.source, text, esm_class=EsmClass.RECEIPT, tlvs=tlvs)
    body = sm.encode_data() if settings.smpp_receipt_command == "data_sm" else sm.encode()
    return body + bytes.fromhex(settings.smpp_receipt_tail)


def response_id(message_id: str, settings: SandboxSettings) -> str:
    """Return an id of the network as submit_sm_resp has it."""
    return settings.smpp_id_prefix + format(_number_of(message_id, settings), settings.smpp_ids)


def _receipt_id(message_id: str, settings: SandboxSettings) -> str:
    own = settings.smpp_receipt_id_prefix
    prefix = settings.smpp_id_prefix if own is None else own
    return prefix + format(_number_of(message_id, settings), settings.smpp_receipt_ids)


def _number_of(message_id: str, settings: SandboxSettings) -> int:
    period = settings.smpp_ids_repeat_after
    return (int(message_id) - 1) % period + 1 if period else int(message_id)


def _segments(sm: Sm) -> int:
    """Return the number of parts of a text in message_payload; short_message is one part."""
    length = len(sm.tlvs.get(Tag.MESSAGE_PAYLOAD, b""))
    single, part = (140, 134) if sm.data_coding == DataCoding.UCS2 else (160, 153)
    return 1 if length <= single else -(-length // part)


def _number(address: Address) -> str:
    return f"+{address.value.removeprefix('+')}" if address.ton == _INTERNATIONAL else address.value


def address_of(number: str) -> Address:
    """Return the address of a number or a name."""
    digits = number.removeprefix("+")
    if not digits.isdecimal():
        return Address(_ALPHANUMERIC, 0, number)
    return Address(_INTERNATIONAL if digits != number else 0, 1, digits)


def _octets(text: str) -> bytes:
    try:
        return to_gsm7(text)
    except InvalidText:
        return text.encode("ascii", "replace")
