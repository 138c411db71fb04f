"""Optional parameters (TLVs) as bytes and back. Source: SMPP v3.4, issue 1.2, 5.3."""

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

NO_TLVS: Final[Mapping[int, bytes]] = MappingProxyType({})

_HEAD = struct.Struct(">HH")


class OptionalPart(NamedTuple):
    """The optional part of a body: its parameters, and how many octets at the end are none."""

    tlvs: Mapping[int, bytes]
    unread: int


def encode_tlvs(tlvs: Mapping[int, bytes]) -> bytes:
    """Return optional parameters as bytes."""
    return b"".join([_HEAD.pack(tag, len(value)) + value for tag, value in tlvs.items()])


def decode_tlvs(body: bytes, at: int) -> OptionalPart:
    """Return the optional parameters from `at` to the end, the last of each tag, until one is cut."""
    tlvs: dict[int, bytes] = {}
    end = len(body)
    while end - at >= _HEAD.size:
        tag, length = _HEAD.unpack_from(body, at)
        if end - at - _HEAD.size < length:
            break
        at += _HEAD.size + length
        tlvs[tag] = body[at - length : at]
    return OptionalPart(tlvs or NO_TLVS, end - at)
