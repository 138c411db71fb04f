"""A message as submit_sm: the addresses, the alphabet, the parts, the end of its validity."""

import random
from collections.abc import Mapping

from dispatcher.domain.messages.encoding import InvalidText
from dispatcher.providers.contract import Outgoing, Rejected, Status
from dispatcher.providers.smpp.options import AddressType, SmppOptions
from dispatcher.smpp.constants import EsmClass, Tag
from dispatcher.smpp.pdu import Address, BadPdu, Sm, write_time
from dispatcher.smpp.text import add_part_headers, encode_text

_LONGEST_SHORT_CODE = 8
_LONGEST_ADDRESS = 20
_NO_SENDER = Address(0, 0, "")
_NO_TLVS: Mapping[int, bytes] = {}


class SubmitWriter:
    """Writes the bodies of one provider's submits."""

    def __init__(self, options: SmppOptions) -> None:
        self._options = options
        self._latin1 = options.alphabet == "latin1"
        self._reference = random.randrange(256)  # noqa: S311 - joins parts, hides nothing
        self._senders: dict[str | None, Address] = {None: _NO_SENDER}

    def fill(self, message: Outgoing) -> tuple[bytes, ...] | Rejected:
        """Write the body of each part, in order; Rejected where SMPP cannot say it."""
        try:
            made = encode_text(message.text, latin1=self._latin1)
            source = self._senders.get(message.sender) or self._sender(message.sender)
            if len(made.parts) > 1 and self._options.long_texts == "payload":
                payload: Mapping[int, bytes] = {Tag.MESSAGE_PAYLOAD: b"".join(made.parts)}
                return (self._body(message, source, made.data_coding, b"", tlvs=payload),)
            if len(made.parts) == 1:
                return (self._body(message, source, made.data_coding, made.parts[0]),)
            self._reference = (self._reference + 1) % 256
            return tuple(
                self._body(message, source, made.data_coding, part, esm_class=EsmClass.UDH)
                for part in add_part_headers(made.parts, reference=self._reference)
            )
        except InvalidText as wrong:
            return Rejected(Status.FAILED, str(wrong))
        except (BadPdu, ValueError) as wrong:
            return Rejected(Status.FAILED, f"SMPP cannot carry it: {wrong}")

    def _body(
        self,
        message: Outgoing,
        source: Address,
        data_coding: int,
        text: bytes,
        *,
        esm_class: int = 0,
        tlvs: Mapping[int, bytes] = _NO_TLVS,
    ) -> bytes:
        options = self._options
        return Sm(
            source,
            _address(message.to.removeprefix("+"), options.addresses.recipient),
            text,
            data_coding,
            esm_class,
            options.registered_delivery,
            write_time(message.not_after) if options.validity else "",
            tlvs,
            options.service_type,
        ).encode()

    def _sender(self, name: str | None) -> Address:
        """Mark a sender by what it looks like; kept, for there are few."""
        assert name is not None  # it is there from the beginning
        kinds = self._options.addresses
        digits = name.removeprefix("+")
        if not (digits.isascii() and digits.isdigit()):
            address = _address(name, kinds.alphanumeric)
        elif len(digits) <= _LONGEST_SHORT_CODE and digits == name:
            address = _address(name, kinds.short)
        else:
            address = _address(digits, kinds.number)
        if len(self._senders) > 1000:
            self._senders = {None: _NO_SENDER}
        self._senders[name] = address
        return address


def _address(value: str, kind: AddressType) -> Address:
    if len(value) > _LONGEST_ADDRESS:
        raise BadPdu(f"an address has at most {_LONGEST_ADDRESS} characters, and one has {len(value)}")
    return Address(kind.ton, kind.npi, value)
