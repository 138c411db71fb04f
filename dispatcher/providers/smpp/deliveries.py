"""Reading deliver_sm and data_sm: receipts as reports, and messages of handsets or their parts."""

from collections.abc import Mapping
from enum import StrEnum

from dispatcher.providers.contract import Inbound, InboundPart, ReceiptReport, Status
from dispatcher.providers.smpp.ids import IdNormalizer
from dispatcher.providers.smpp.options import SmppOptions, normalized_error
from dispatcher.smpp.constants import EsmClass, MessageState
from dispatcher.smpp.pdu import Address, Sm
from dispatcher.smpp.receipt import SmppReceipt, read_receipt
from dispatcher.smpp.text import read_content

_INTERNATIONAL = 1

STATES: Mapping[MessageState, Status | None] = {
    MessageState.SCHEDULED: None,
    MessageState.ENROUTE: None,
    MessageState.DELIVERED: Status.RECEIVED,
    MessageState.EXPIRED: Status.TOO_LATE,
    MessageState.DELETED: Status.FAILED,
    MessageState.UNDELIVERABLE: Status.FAILED,
    MessageState.ACCEPTED: None,  # many SMSCs mean the network, not the handset
    MessageState.UNKNOWN: None,  # many SMSCs mean that they will never know
    MessageState.REJECTED: Status.FAILED,
    MessageState.SKIPPED: Status.FAILED,
}


class LeftOut(StrEnum):
    """Why a delivery is not reported, as it is logged; another delivery of it would not be either."""

    NAMES_NOTHING = "smpp_receipt_names_nothing"
    IS_DATA = "smpp_data_left_out"


class DeliveryReader:
    """Reads the deliveries of one provider."""

    def __init__(self, options: SmppOptions, ids: IdNormalizer) -> None:
        self._words = options.words
        self._errors = options.errors
        self._alphabet = options.default_alphabet
        self._join = options.join
        self._ids = ids

    def read(self, sm: Sm) -> ReceiptReport | Inbound | InboundPart | LeftOut:
        """Return the report, the message or the part."""
        if (receipt := read_receipt(sm)) is not None:
            return self._report(receipt, unread=sm.unread)
        if sm.esm_class & EsmClass.TYPE in (EsmClass.RECEIPT, EsmClass.INTERMEDIATE):
            return LeftOut.NAMES_NOTHING
        content = read_content(sm, default_alphabet=self._alphabet)
        sender, recipient = _number(sm.source), _number(sm.destination)
        if content.alphabet is None:
            return LeftOut.IS_DATA
        if content.part_info is None:
            return Inbound(sender, recipient, content.text)
        reference, total, number = content.part_info
        return InboundPart(
            sender,
            recipient,
            str(reference),
            total,
            number,
            octets=content.octets,
            alphabet=content.alphabet,
            join=self._join,
        )

    def _report(self, receipt: SmppReceipt, *, unread: int) -> ReceiptReport:
        status = self._words.get(receipt.word.upper(), STATES[receipt.state] if receipt.state else None)
        if status is not None and status.is_missed and receipt.error:
            status = self._errors.get(normalized_error(receipt.error), status)
        word = receipt.word or "no state"
        return ReceiptReport(
            ref=self._ids.from_receipt(receipt.id),
            reference=None,
            status=status if receipt.is_last else None,
            reason=f"{word}, error {receipt.error}" if receipt.error else word,
            remark=f"octets at its end that were ignored: {unread}" if unread else "",
        )


def _number(address: Address) -> str:
    """Return an international number with its "+"; short codes and names are unchanged."""
    if address.ton == _INTERNATIONAL and address.value.isdecimal():
        return f"+{address.value}"
    return address.value
