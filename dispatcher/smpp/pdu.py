"""
PDUs as bytes: splitting a stream into PDUs, and the bodies that we use.

Source: SMPP v3.4, issue 1.2: the header 3.2, bodies 4.1 to 4.11, time 7.1.1.
This module must be fast: there is one submit_sm and one response for each part
of each message.
"""

import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

from dispatcher.smpp.constants import RESPONSE_BIT, Tag
from dispatcher.smpp.tlvs import NO_TLVS, OptionalPart, decode_tlvs, encode_tlvs

VERSION: Final = 0x34
HEADER_LENGTH: Final = 16
MAX_PDU_LENGTH: Final = 70_000
"""The most octets of one PDU; the longest possible one has a message_payload of 65,535."""
LAST_SEQUENCE: Final = 0x7FFFFFFF

_HEADER = struct.Struct(">IIII")
_LENGTH = struct.Struct(">I")
_SM = b"%b\0%c%c%b\0%c%c%b\0%c%c%c%b\0%b\0%c%c%c\0%c%b"


class BadPdu(ValueError):
    """Octets that are not a PDU, or not a body of the expected kind."""


class Pdu(NamedTuple):
    """One PDU as received. `command` and `status` are plain numbers, because a peer may send any."""

    command: int
    status: int
    sequence: int
    body: bytes


class Splitter:
    """Splits a stream into PDUs, however the stream was fragmented."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Pdu]:
        """
        Yield each complete PDU, and keep the rest until more data arrives.

        Raises BadPdu at a length that no PDU has, after it yielded the PDUs
        before: nothing after that length can be read.
        """
        stream = self._rest + data if self._rest else data
        at, end = 0, len(stream)
        try:
            while end - at >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(stream, at)
                if not HEADER_LENGTH <= length <= MAX_PDU_LENGTH:
                    raise BadPdu(
                        f"a PDU has {HEADER_LENGTH} to {MAX_PDU_LENGTH} octets, but this one says {length}"
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
    """Return one PDU as bytes."""
    return _HEADER.pack(HEADER_LENGTH + len(body), command, status, sequence) + body


def respond(request: Pdu, *, status: int = 0, body: bytes = b"") -> bytes:
    """Return the response PDU to a request."""
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
        """Return the body as bytes."""
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
        """Return the body as a value. Raises BadPdu."""
        try:
            system_id, at = _text(body, 0)
            password, at = _text(body, at)
            system_type, at = _text(body, at)
            version, ton, npi = body[at], body[at + 1], body[at + 2]
            address_range, _ = _text(body, at + 3)
        except (ValueError, IndexError):
            raise BadPdu("the body of this bind is too short") from None
        return cls(system_id, password, system_type, version, ton, npi, address_range)


class Sm(NamedTuple):
    """
    The body of submit_sm and of deliver_sm, which have the same fields.

    Times are in SMPP's format, "" for none. `text` is short_message; a longer
    text is in `tlvs`. `unread` is how many octets at the end are no optional
    parameter.
    """

    source: Address
    destination: Address
    text: bytes = b""
    data_coding: int = 0
    esm_class: int = 0
    registered_delivery: int = 0
    validity_period: str = ""
    tlvs: Mapping[int, bytes] = NO_TLVS
    service_type: str = ""
    protocol_id: int = 0
    priority: int = 0
    schedule: str = ""
    replace_if_present: int = 0
    unread: int = 0

    def encode(self) -> bytes:
        """Return the body as bytes. Raises BadPdu for a field that does not fit."""
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
        except (UnicodeEncodeError, OverflowError) as error:
            raise BadPdu(f"a field does not fit: {error.__class__.__name__}") from None
        return body + encode_tlvs(self.tlvs) if self.tlvs else body

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """
        Return the body as a value. Raises BadPdu.

        Octets at the end that are no optional parameter are left out if the rest
        says anything: some SMSCs write one too many, or cut the last parameter.
        """
        try:
            service_type, at = _text(body, 0)
            source, at = _address(body, at)
            destination, at = _address(body, at)
            esm_class, protocol_id, priority = body[at], body[at + 1], body[at + 2]
            schedule, at = _text(body, at + 3)
            validity_period, at = _text(body, at)
            registered, replace, data_coding, length = body[at], body[at + 1], body[at + 2], body[at + 4]
        except (ValueError, IndexError):
            raise BadPdu("the body of this message is too short") from None
        at += 5
        end = at + length
        if end > len(body):
            raise BadPdu(f"this message says {length} octets, but has {len(body) - at}")
        tlvs, unread = _optional_part(body, end, has_text=length > 0)
        return cls(
            source,
            destination,
            body[at:end],
            data_coding,
            esm_class,
            registered,
            validity_period,
            tlvs,
            service_type,
            protocol_id,
            priority,
            schedule,
            replace,
            unread,
        )

    @classmethod
    def decode_data(cls, body: bytes) -> Self:
        """Return the body of data_sm (4.7.1), whose text is in `tlvs`. Raises BadPdu, as `decode` does."""
        try:
            service_type, at = _text(body, 0)
            source, at = _address(body, at)
            destination, at = _address(body, at)
            esm_class, registered, data_coding = body[at], body[at + 1], body[at + 2]
        except (ValueError, IndexError):
            raise BadPdu("the body of this message is too short") from None
        tlvs, unread = _optional_part(body, at + 3, has_text=False)
        return cls(
            source,
            destination,
            data_coding=data_coding,
            esm_class=esm_class,
            registered_delivery=registered,
            tlvs=tlvs,
            service_type=service_type,
            unread=unread,
        )

    def encode_data(self) -> bytes:
        """Return the body of data_sm as bytes, with `text` in message_payload."""
        tlvs = {**self.tlvs, Tag.MESSAGE_PAYLOAD: self.text} if self.text else self.tlvs
        source, destination = self.source, self.destination
        return b"%b\0%c%c%b\0%c%c%b\0%c%c%c%b" % (
            _octets(self.service_type),
            source.ton,
            source.npi,
            _octets(source.value),
            destination.ton,
            destination.npi,
            _octets(destination.value),
            self.esm_class,
            self.registered_delivery,
            self.data_coding,
            encode_tlvs(tlvs),
        )


def encode_id(message_id: str) -> bytes:
    """Return the body of submit_sm_resp, deliver_sm_resp and bind responses: one text."""
    return _octets(message_id) + b"\0"


def decode_id(body: bytes) -> str:
    """Return the text of `encode_id`; an SMSC may omit it, or its final NUL."""
    return body.partition(b"\0")[0].decode("latin-1")


def write_time(moment: datetime) -> str:
    """Return an aware time as SMPP's absolute time in UTC, rounded down to tenths of a second."""
    utc = moment.astimezone(UTC)
    return f"{utc:%y%m%d%H%M%S}{utc.microsecond // 100_000}00+"


def _optional_part(body: bytes, at: int, *, has_text: bool) -> OptionalPart:
    """Return the optional part. Raises BadPdu if a cut parameter is all that there is."""
    part = decode_tlvs(body, at)
    if part.unread and not (has_text or part.tlvs):
        raise BadPdu(f"the last {part.unread} octets are no optional parameter, and there is nothing else")
    return part


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
