"""Reading the body of POST /messages, with upstream's rules for its fields."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from dispatcher.api.dialects.smsgate.mapping import LAST_TIME
from dispatcher.api.dialects.smsgate.requests import MAX_TTL, Form
from dispatcher.domain.messages.submission import DuplicateNumbers, Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier

_MAX_NUMBERS = 100
_MAX_NUMBER_LENGTH = 128
_MAX_TEXT_LENGTH = 65_535
_MAX_ID_LENGTH = 36
_CRITICAL_PRIORITY = 100
_SLOTS = 3
_SHORTEST_WINDOW = timedelta(seconds=1)
_UNSUPPORTED = {
    "dataMessage": "data messages are not supported",
    "mmsMessage": "MMS messages are not supported",
}


def read_slot(form: Form) -> int | None:
    """Return the number of the SIM that sends the message."""
    return form.integer("simNumber", minimum=1, maximum=_SLOTS)


def read_submission(
    form: Form, *, numbers: NumberPolicy, slots: Sequence[int], device: str, now: datetime
) -> Submission:
    """Return the submission; `slots` are the senders of the device's SIMs. Raises Invalid with all faults."""
    recipients = form.strings("phoneNumbers", maximum=_MAX_NUMBERS, max_length=_MAX_NUMBER_LENGTH)
    text = _text(form)
    form.take("withDeliveryReport", bool)  # receipts are always requested
    not_before, not_after = _window(form, now)
    sender_id = _sender(form, slots)
    external_id = form.name("id", max_length=_MAX_ID_LENGTH)
    tier = _tier(form)
    check_device(form, device)
    form.check()
    return Submission(
        recipients=recipients,
        text=text,
        numbers=numbers,
        tier=tier,
        sender_id=sender_id,
        not_before=not_before,
        not_after=not_after,
        duplicate_numbers=DuplicateNumbers.REFUSE,
        external_id=external_id,
    )


def check_device(form: Form, device: str) -> None:
    """Add a fault if the request names another device than the account's."""
    if form.take("deviceId", str) not in (None, "", device):
        form.faults.append("failed to select device: record not found")


def _text(form: Form) -> str:
    if form.take("isEncrypted", bool):
        form.faults.append("encrypted messages are not supported")
    for name, fault in _UNSUPPORTED.items():
        if form.has(name):
            form.faults.append(fault)
            return ""
    contents = [name for name in ("message", "textMessage") if form.has(name)]
    if len(contents) != 1:
        form.faults.append("must specify exactly one of: textMessage or message" if contents else _NO_CONTENT)
        return ""
    if contents == ["message"]:
        text = form.take("message", str)
    else:
        inner = form.inner("textMessage")
        text = inner.take("text", str, inside="textMessage.")
        form.faults += inner.faults
    if text and len(text) > _MAX_TEXT_LENGTH:
        form.faults.append(f"the text must have at most {_MAX_TEXT_LENGTH} characters")
        return ""
    return text or ""


_NO_CONTENT = "No message content provided"


def _window(form: Form, now: datetime) -> tuple[datetime | None, datetime | None]:
    """
    Return the start and the end of the window.

    A ttl counts from now. validUntil may equal scheduleAt: then the message is sent
    at that time, or not at all.
    """
    start, end = form.time("scheduleAt"), form.time("validUntil")
    ttl = form.integer("ttl", minimum=5)
    if ttl is not None and form.has("validUntil"):
        form.faults.append("ttl and validUntil exclude each other")
    elif ttl is not None:
        seconds = min(ttl, int(MAX_TTL.total_seconds()))
        end = min(now + timedelta(seconds=seconds), LAST_TIME)
    if start is not None and start <= now:
        form.faults.append("scheduleAt must be in the future")
    if end is not None and end <= now:
        form.faults.append("validUntil must be in the future")
    if start is not None and end is not None and start > end:
        form.faults.append("scheduleAt must be less than or equal to validUntil")
    if start is not None and end == start:
        end = start + _SHORTEST_WINDOW
    return start, end


def _sender(form: Form, slots: Sequence[int]) -> int | None:
    number = read_slot(form) if not form.faults else None
    if number is None:
        return None
    if number > len(slots):
        form.faults.append(f"simNumber {number} is empty; the device has {len(slots)}")
        return None
    return slots[number - 1]


def _tier(form: Form) -> Tier:
    priority = form.integer("priority", minimum=-128, maximum=127) or 0
    if priority < 0:
        return Tier.BULK
    return Tier.CRITICAL if priority >= _CRITICAL_PRIORITY else Tier.STANDARD
