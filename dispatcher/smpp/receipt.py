"""
Delivery receipts: a deliver_sm or data_sm that reports on a submitted message.

Sources: SMPP v3.4, issue 1.2, 5.2.12 (esm_class), 5.3.2.12 and 5.3.2.35 (the optional
parameters), appendix B (the text, which each SMSC writes differently).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from dispatcher.domain.messages.alphabets import UTF16
from dispatcher.smpp.constants import EsmClass, MessageState, Tag
from dispatcher.smpp.pdu import Sm
from dispatcher.smpp.text import read_content

_KEYS = r"id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat(?:us)?|err(?:or)?"
_FIELD = re.compile(rf"(?:^|[\s,;])({_KEYS})\s*:\s*(?!(?:{_KEYS})\s*:)([^\s,;]*)", re.IGNORECASE)
_MESSAGE = re.compile(r"(?:^|[\s,;])text\s*:", re.IGNORECASE)
_WORDS = {
    MessageState.SCHEDULED: "SCHEDULED SCHEDLD QUEUED",
    MessageState.ENROUTE: "ENROUTE EN_ROUTE ENROUT BUFFERED BUFFRED BUFFERD SENT SUBMITTED SUBMITD RETRY",
    MessageState.DELIVERED: "DELIVRD DELIVERED DELIVERD DELIVERY",
    MessageState.EXPIRED: "EXPIRED EXPIRD EXPIRE",
    MessageState.DELETED: "DELETED DELETD CANCELED CANCELLED CANCELD",
    MessageState.UNDELIVERABLE: (
        "UNDELIV UNDELIVERABLE UNDELIVERED UNDELIVRD UNDELVD UNDELIVE NONDELIV NOTDELIV FAILED FAIL FAILURE"
    ),
    MessageState.ACCEPTED: "ACCEPTD ACCEPTED",
    MessageState.UNKNOWN: "UNKNOWN UNKNOWN_STATE UNKN",
    MessageState.REJECTED: "REJECTD REJECTED REJECT REJECTE REFUSED BLOCKED BARRED",
    MessageState.SKIPPED: "SKIPPED SKIPPD",
}
"""The words of each state; the first is that of appendix B. The others are seen in receipts."""

_STATES = {state: words.split() for state, words in _WORDS.items()}
_BY_WORD = {word: state for state, words in _STATES.items() for word in words}
_BY_NUMBER = {bytes([state]): state for state in MessageState}


class SmppReceipt(NamedTuple):
    """
    A report on one submit_sm.

    `id` is the SMSC's, as written in the receipt. `state` is None if SMPP does
    not define it; `word` is the SMSC's own. `error` is the network's, "" for
    none. `is_last` is False for an intermediate notification.
    """

    id: str
    state: MessageState | None
    word: str
    error: str
    is_last: bool


def read_receipt(sm: Sm) -> SmppReceipt | None:
    """
    Return the receipt; None if this is not a receipt, or names no message.

    Optional parameters override the text. A text that looks like a receipt
    counts only if the SMSC marks it as one, because a handset can write it too.
    """
    kind = sm.esm_class & EsmClass.TYPE
    tlv_id = sm.tlvs.get(Tag.RECEIPTED_MESSAGE_ID)
    if kind not in (EsmClass.RECEIPT, EsmClass.INTERMEDIATE) and tlv_id is None:
        return None
    fields = _fields(_text(sm))
    id_ = tlv_id.partition(b"\0")[0].decode("latin-1") if tlv_id else fields.get("id", "")
    if not id_:
        return None
    state, word = _state(sm.tlvs, fields.get("stat", ""))
    return SmppReceipt(id_, state, word, _error(sm.tlvs, fields), is_last=kind != EsmClass.INTERMEDIATE)


def write_receipt(
    message_id: str,
    state: MessageState,
    *,
    submitted: datetime,
    done: datetime,
    error: str = "000",
    text: str = "",
    word: str | None = None,
) -> str:
    """
    Return the text of a receipt in the form of appendix B, with the first 20 characters of the message.

    `word` is in place of that of appendix B.
    """
    delivered = 1 if state is MessageState.DELIVERED else 0
    return (
        f"id:{message_id} sub:001 dlvrd:{delivered:03} submit date:{submitted:%y%m%d%H%M}"
        f" done date:{done:%y%m%d%H%M} stat:{word or _STATES[state][0]} err:{error} text:{text[:20]}"
    )


def _text(sm: Sm) -> str:
    """
    Return the text, which SMSCs write in ASCII whatever its data_coding says; only UCS-2 is believed.

    An SMSC that writes GSM 03.38 has another octet for "_".
    """
    content = read_content(sm)
    if content.alphabet == UTF16:
        return content.text
    return content.octets.replace(b"\x11", b"_").replace(b"\0", b" ").decode("latin-1")


def _fields(text: str) -> Mapping[str, str]:
    """Return the fields by their names in appendix B; the message's own text is not searched."""
    fields: dict[str, str] = {}
    for key, value in _FIELD.findall(_MESSAGE.split(text, maxsplit=1)[0]):
        name = key.lower()
        fields.setdefault({"status": "stat", "error": "err"}.get(name, name), value)
    return fields


def _state(tlvs: Mapping[int, bytes], word: str) -> tuple[MessageState | None, str]:
    state = _BY_NUMBER.get(tlvs.get(Tag.MESSAGE_STATE, b""))
    if state is None:
        return _BY_WORD.get(word.upper()), word
    return state, word or state.name


def _error(tlvs: Mapping[int, bytes], fields: Mapping[str, str]) -> str:
    """Return the text's error, which providers document; else network_error_code without its first octet."""
    if error := fields.get("err"):
        return "" if error.strip("0") == "" else error
    coded = tlvs.get(Tag.NETWORK_ERROR_CODE, b"")
    code = int.from_bytes(coded[1:3], "big")
    return str(code) if code else ""
