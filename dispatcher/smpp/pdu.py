"""
PDUs as bytes: cutting a stream into them, and reading and writing the bodies that we use.

Source: SMPP v3.4, issue 1.2: the header 3.2, bodies 4.1 to 4.11, optional
parameters 5.3, time 7.1.1. Speed counts here: there is one submit_sm and one
response for each part of each message.
"""

import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from dispatcher.smpp.constants import RESPONSE_BIT

VERSION: Final = 0x34
HEADER_LENGTH: Final = 16
MAX_PDU_LENGTH: Final = 70_000
"""Octets of one PDU: the longest there can be has a message_payload of 65,535."""
LAST_SEQUENCE: Final = 0x7FFFFFFF

_HEADER = struct.Struct(">IIII")
_LENGTH = struct.Struct(">I")
_TLV = struct.Struct(">HH")
_SM = b"%b\0%c%c%b\0%c%c%b\0%c%c%c%b\0%b\0%c%c%c\0%c%b"
_NO_TLVS: Mapping[int, bytes] = MappingProxyType({})


class BadPdu(ValueError):
    """Octets that are no PDU, or no body of the kind they should be."""


class Pdu(NamedTuple):
    """One PDU as it came. `command` and `status` are numbers, for a peer may send any."""

    command: int
    status: int
    sequence: int
    body: bytes


class Splitter:
    """Cuts a stream into PDUs, however it was split on its way."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Pdu]:
        """
        Yield each PDU that is whole now; what is left waits for more.

        Raises BadPdu, after the PDUs before it, at a length that no PDU has:
        nothing behind it can be read any more.
        """
        stream = self._rest + data if self._rest else data
        at, end = 0, len(stream)
        try:
            while end - at >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(stream, at)
                if not HEADER_LENGTH <= length <= MAX_PDU_LENGTH:
                    raise BadPdu(
                        f"a PDU has {HEADER_LENGTH} to {MAX_PDU_LENGTH} octets, and this says {length}"
                    )
                if end - at < length:
                    break
                _, command, status, sequence = _HEADER.unpack_from(stream, at)
                body = stream[at + HEADER_LENGTH : at + length]
                at += length
                yield Pdu(command, status, sequence, body)
        finally:
            self._rest = stream[at:]


def encode(command: int, *, sequence: int, status: int = 0, body: bytes = b"") -> bytes:
    """Write one PDU."""
    return _HEADER.pack(HEADER_LENGTH + len(body), command, status, sequence) + body


def respond(request: Pdu, *, status: int = 0, body: bytes = b"") -> bytes:
    """Write the response to a request, of its kind."""
    return encode(request.command | RESPONSE_BIT, sequence=request.sequence, status=status, body=body)


class Address(NamedTuple):
    """A number or a name, its type (TON, 5.2.5) and its numbering plan (NPI, 5.2.6)."""

    ton: int
    npi: int
    value: str


class Bind(NamedTuple):
    """The body of bind_transmitter, bind_receiver and bind_transceiver."""

    system_id: str
    password: str
    system_type: str = ""
    version: int = VERSION
    ton: int = 0
    npi: int = 0
    address_range: str = ""

    def encode(self) -> bytes:
        """Write the body."""
        return b"%b\0%b\0%b\0%c%c%c%b\0" % (
            _octets(self.system_id),
            _octets(self.password),
            _octets(self.system_type),
            self.version,
            self.ton,
            self.npi,
            _octets(self.address_range),
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read the body; raises BadPdu."""
        try:
            system_id, at = _text(body, 0)
            password, at = _text(body, at)
            system_type, at = _text(body, at)
            version, ton, npi = body[at], body[at + 1], body[at + 2]
            address_range, _ = _text(body, at + 3)
        except (ValueError, IndexError):
            raise BadPdu("the body of this bind ends too early") from None
        return cls(system_id, password, system_type, version, ton, npi, address_range)


class Sm(NamedTuple):
    """
    The body of submit_sm and of deliver_sm, which are alike.

    Times are as SMPP writes them, "" where none is given. `text` is
    short_message; a longer one is in `tlvs`.
    """

    source: Address
    destination: Address
    text: bytes = b""
    data_coding: int = 0
    esm_class: int = 0
    registered_delivery: int = 0
    validity_period: str = ""
    tlvs: Mapping[int, bytes] = _NO_TLVS
    service_type: str = ""
    protocol_id: int = 0
    priority: int = 0
    schedule: str = ""
    replace_if_present: int = 0

    def encode(self) -> bytes:
        """Write the body. Raises BadPdu for a field that SMPP has no room for."""
        source, destination = self.source, self.destination
        try:
            body = _SM % (
                self.service_type.encode("ascii"),
                source.ton,
                source.npi,
                source.value.encode("ascii"),
                destination.ton,
                destination.npi,
                destination.value.encode("ascii"),
                self.esm_class,
                self.protocol_id,
                self.priority,
                self.schedule.encode("ascii"),
                self.validity_period.encode("ascii"),
                self.registered_delivery,
                self.replace_if_present,
                self.data_coding,
                len(self.text),
                self.text,
            )
        except (UnicodeEncodeError, OverflowError) as wrong:
            raise BadPdu(f"a field does not fit: {wrong.__class__.__name__}") from None
        return body + encode_tlvs(self.tlvs) if self.tlvs else body

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read the body; raises BadPdu."""
        try:
            service_type, at = _text(body, 0)
            source, at = _address(body, at)
            destination, at = _address(body, at)
            esm_class, protocol_id, priority = body[at], body[at + 1], body[at + 2]
            schedule, at = _text(body, at + 3)
            validity_period, at = _text(body, at)
            registered, replace, data_coding, length = body[at], body[at + 1], body[at + 2], body[at + 4]
        except (ValueError, IndexError):
            raise BadPdu("the body of this message ends too early") from None
        at += 5
        end = at + length
        if end > len(body):
            raise BadPdu(f"this message says it has {length} octets and has {len(body) - at}")
        return cls(
            source,
            destination,
            body[at:end],
            data_coding,
            esm_class,
            registered,
            validity_period,
            decode_tlvs(body, end) if end < len(body) else _NO_TLVS,
            service_type,
            protocol_id,
            priority,
            schedule,
            replace,
        )


def encode_id(message_id: str) -> bytes:
    """Write the one text that is the body of submit_sm_resp, deliver_sm_resp and bind responses."""
    return _octets(message_id) + b"\0"


def decode_id(body: bytes) -> str:
    """Read what `encode_id` writes; an SMSC may leave it out, or the NUL at its end."""
    return body.partition(b"\0")[0].decode("latin-1")


def encode_tlvs(tlvs: Mapping[int, bytes]) -> bytes:
    """Write optional parameters."""
    return b"".join([_TLV.pack(tag, len(value)) + value for tag, value in tlvs.items()])


def decode_tlvs(body: bytes, at: int) -> Mapping[int, bytes]:
    """Read optional parameters from there to the end, the last of each tag; raises BadPdu."""
    tlvs: dict[int, bytes] = {}
    end = len(body)
    while at < end:
        if end - at < _TLV.size:
            raise BadPdu("an optional parameter ends before its length")
        tag, length = _TLV.unpack_from(body, at)
        at += _TLV.size
        if end - at < length:
            raise BadPdu(f"optional parameter 0x{tag:04X} says it has {length} octets and has {end - at}")
        tlvs[tag] = body[at : at + length]
        at += length
    return tlvs


def write_time(moment: datetime) -> str:
    """Write an aware time as SMPP's absolute one, in UTC, to the tenth of a second before it."""
    utc = moment.astimezone(UTC)
    return f"{utc:%y%m%d%H%M%S}{utc.microsecond // 100_000}00+"


def _octets(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise BadPdu("a field has a character that is not ASCII") from None


def _text(body: bytes, at: int) -> tuple[str, int]:
    end = body.index(0, at)
    return body[at:end].decode("latin-1"), end + 1


def _address(body: bytes, at: int) -> tuple[Address, int]:
    value, end = _text(body, at + 2)
    return Address(body[at], body[at + 1], value), end
