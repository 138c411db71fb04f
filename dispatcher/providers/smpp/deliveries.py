"""Reading deliver_sm: receipts as reports, and messages of handsets."""

from collections.abc import Mapping
from typing import NamedTuple

from dispatcher.providers.contract import Inbound, ReceiptReport, Status
from dispatcher.providers.smpp.ids import IdNormalizer
from dispatcher.providers.smpp.options import SmppOptions, normalized_error
from dispatcher.smpp.constants import EsmClass, MessageState
from dispatcher.smpp.pdu import Address, Sm
from dispatcher.smpp.receipt import SmppReceipt, read_receipt
from dispatcher.smpp.text import PartInfo, read_text

_INTERNATIONAL = 1

STATES: Mapping[MessageState, Status | None] = {
    MessageState.ENROUTE: None,
    MessageState.DELIVERED: Status.RECEIVED,
    MessageState.EXPIRED: Status.TOO_LATE,
    MessageState.DELETED: Status.FAILED,
    MessageState.UNDELIVERABLE: Status.FAILED,
    MessageState.ACCEPTED: None,  # many SMSCs mean the network, not the handset
    MessageState.UNKNOWN: None,  # many SMSCs mean that they will never know
    MessageState.REJECTED: Status.FAILED,
}


class InboundPart(NamedTuple):
    """One part of a handset's message."""

    inbound: Inbound
    part: PartInfo


class DeliveryReader:
    """Reads the deliveries of one provider."""

    def __init__(self, options: SmppOptions, ids: IdNormalizer) -> None:
        self._words = options.words
        self._errors = options.errors
        self._ids = ids

    def read(self, sm: Sm) -> ReceiptReport | Inbound | InboundPart | None:
        """Return the report or message; None for a receipt that names no message."""
        if (receipt := read_receipt(sm)) is not None:
            return self._report(receipt)
        if sm.esm_class & EsmClass.TYPE in (EsmClass.RECEIPT, EsmClass.INTERMEDIATE):
            return None
        text, part = read_text(sm)
        inbound = Inbound(sender=_number(sm.source), recipient=_number(sm.destination), text=text)
        return InboundPart(inbound, part) if part else inbound

    def _report(self, receipt: SmppReceipt) -> ReceiptReport:
        status = self._words.get(receipt.word.upper(), STATES[receipt.state] if receipt.state else None)
        if status is not None and status.is_missed and receipt.error:
            status = self._errors.get(normalized_error(receipt.error), status)
        word = receipt.word or "no state"
        return ReceiptReport(
            ref=self._ids.from_receipt(receipt.id),
            reference=None,
            status=status if receipt.is_last else None,
            reason=f"{word}, error {receipt.error}" if receipt.error else word,
        )


def _number(address: Address) -> str:
    """Return an international number with its "+"; short codes and names are unchanged."""
    if address.ton == _INTERNATIONAL and address.value.isdecimal():
        return f"+{address.value}"
    return address.value
