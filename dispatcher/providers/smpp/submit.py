"""Writing a message as submit_sm: addresses, alphabet, parts and validity."""

from collections.abc import Mapping, Sequence

from dispatcher.domain.messages.encoding import InvalidText
from dispatcher.providers.contract import Accepted, Outgoing, PartsTaken, Rejected, Status
from dispatcher.providers.smpp.calls import SubmitParts
from dispatcher.providers.smpp.options import AddressType, SmppOptions
from dispatcher.smpp.constants import EsmClass, Tag
from dispatcher.smpp.pdu import Address, BadPdu, Sm, write_time
from dispatcher.smpp.text import EncodedText, add_part_headers, encode_text

_MAX_SHORT_CODE = 8
_MAX_ADDRESS = 20
_ONE = (1,)
_NO_SENDER = Address(0, 0, "")
_NO_TLVS: Mapping[int, bytes] = {}


class SubmitWriter:
    """Writes the submit_sm bodies of one provider."""

    def __init__(self, options: SmppOptions) -> None:
        self._options = options
        self._latin1 = options.alphabet == "latin1"
        self._senders: dict[str | None, Address] = {None: _NO_SENDER}

    def parts(self, message: Outgoing) -> SubmitParts | Accepted | Rejected:
        """Return the parts that are not taken yet, in order; Rejected if SMPP cannot carry the message."""
        try:
            encoded = encode_text(message.text, latin1=self._latin1)
            source = self._senders.get(message.sender) or self._sender(message.sender)
            if message.parts_taken is not None:
                return self._remaining_parts(message, message.parts_taken, source, encoded)
            if len(encoded.parts) > 1 and self._options.long_texts == "payload":
                payload: Mapping[int, bytes] = {Tag.MESSAGE_PAYLOAD: b"".join(encoded.parts)}
                return SubmitParts(
                    1, _ONE, [self._body(message, source, encoded.data_coding, b"", tlvs=payload)]
                )
            if len(encoded.parts) == 1:
                return SubmitParts(
                    1, _ONE, [self._body(message, source, encoded.data_coding, encoded.parts[0])]
                )
            return self._numbered_parts(message, source, encoded, range(1, len(encoded.parts) + 1))
        except InvalidText as error:
            return Rejected(Status.FAILED, str(error))
        except (BadPdu, ValueError) as error:
            return Rejected(Status.FAILED, f"SMPP cannot carry it: {error}")

    def _remaining_parts(
        self, message: Outgoing, taken: PartsTaken, source: Address, encoded: EncodedText
    ) -> SubmitParts | Accepted | Rejected:
        if taken.are_all:  # the last attempt's outcome came late
            return Accepted(())
        if len(encoded.parts) != taken.total:  # an option was changed in between
            return Rejected(Status.FAILED, f"its text has {len(encoded.parts)} parts now, not {taken.total}")
        return self._numbered_parts(message, source, encoded, taken.left)

    def _numbered_parts(
        self, message: Outgoing, source: Address, encoded: EncodedText, numbers: Sequence[int]
    ) -> SubmitParts:
        parts = add_part_headers(encoded.parts, reference=message.part_reference)
        bodies = [
            self._body(message, source, encoded.data_coding, parts[number - 1], esm_class=EsmClass.UDH)
            for number in numbers
        ]
        return SubmitParts(len(parts), numbers, bodies)

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
            self._recipient(message.to),
            text,
            data_coding,
            esm_class,
            options.registered_delivery,
            write_time(message.not_after) if options.validity else "",
            tlvs,
            options.service_type,
        ).encode()

    def _recipient(self, number: str) -> Address:
        """Return a recipient's address: a number after "+", else a short code."""
        types = self._options.addresses
        type_ = types.recipient if number.startswith("+") else types.short
        return _address(number.removeprefix("+"), type_)

    def _sender(self, name: str | None) -> Address:
        """Return a sender's address, typed by its form. Cached, because there are few."""
        assert name is not None  # None is always cached
        types = self._options.addresses
        digits = name.removeprefix("+")
        if not (digits.isascii() and digits.isdigit()):
            address = _address(name, types.alphanumeric)
        elif len(digits) <= _MAX_SHORT_CODE and digits == name:
            address = _address(name, types.short)
        else:
            address = _address(digits, types.number)
        if len(self._senders) > 1000:
            self._senders = {None: _NO_SENDER}
        self._senders[name] = address
        return address


def _address(value: str, type_: AddressType) -> Address:
    if len(value) > _MAX_ADDRESS:
        raise BadPdu(f"an address has at most {_MAX_ADDRESS} characters, but this one has {len(value)}")
    return Address(type_.ton, type_.npi, value)
