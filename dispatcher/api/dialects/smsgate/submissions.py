"""Reading the body of POST /messages, with upstream's rules across its fields."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from dispatcher.api.dialects.smsgate.mapping import NEVER
from dispatcher.api.dialects.smsgate.requests import LONGEST_TTL, Form
from dispatcher.domain.messages.submission import DuplicateNumbers, Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier

_MOST_NUMBERS = 100
_LONGEST_NUMBER = 128
_LONGEST_TEXT = 65_535
_LONGEST_ID = 36
_CRITICAL = 100
_SLOTS = 3
_MOMENT = timedelta(seconds=1)
_UNSUPPORTED = {
    "dataMessage": "data messages are not supported",
    "mmsMessage": "MMS messages are not supported",
}


def slot(form: Form) -> int | None:
    """Return the number of the SIM to send with."""
    return form.integer("simNumber", least=1, most=_SLOTS)


def submission(
    form: Form, *, numbers: NumberPolicy, slots: Sequence[int], device: str, now: datetime
) -> Submission:
    """Return the submission; `slots` are the senders of the device's SIMs. Raises Invalid with all faults."""
    recipients = form.strings("phoneNumbers", most=_MOST_NUMBERS, longest=_LONGEST_NUMBER)
    text = _text(form)
    form.take("withDeliveryReport", bool)  # receipts are always asked for
    not_before, not_after = _window(form, now)
    sender_id = _sender(form, slots)
    external_id = form.name("id", longest=_LONGEST_ID)
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
        repeats=DuplicateNumbers.REFUSE,
        external_id=external_id,
    )


def check_device(form: Form, device: str) -> None:
    """Add a fault when a device is named that is not the one there is."""
    if form.take("deviceId", str) not in (None, "", device):
        form.faults.append("failed to select device: record not found")


def _text(form: Form) -> str:
    if form.take("isEncrypted", bool):
        form.faults.append("encrypted messages are not supported")
    for name, fault in _UNSUPPORTED.items():
        if form.has(name):
            form.faults.append(fault)
            return ""
    given = [name for name in ("message", "textMessage") if form.has(name)]
    if len(given) != 1:
        form.faults.append("must specify exactly one of: textMessage or message" if given else _NOTHING)
        return ""
    if given == ["message"]:
        text = form.take("message", str)
    else:
        inner = form.inner("textMessage")
        text = inner.take("text", str, inside="textMessage.")
        form.faults += inner.faults
    if text and len(text) > _LONGEST_TEXT:
        form.faults.append(f"the text must have at most {_LONGEST_TEXT} characters")
        return ""
    return text or ""


_NOTHING = "No message content provided"


def _window(form: Form, now: datetime) -> tuple[datetime | None, datetime | None]:
    """
    Return when to send, and until when.

    A ttl counts from now. validUntil may be as early as scheduleAt: then the
    message goes out at once when its time comes, or not at all.
    """
    start, end = form.moment("scheduleAt"), form.moment("validUntil")
    ttl = form.integer("ttl", least=5)
    if ttl is not None and form.has("validUntil"):
        form.faults.append("ttl and validUntil exclude each other")
    elif ttl is not None:
        seconds = min(ttl, int(LONGEST_TTL.total_seconds()))
        end = min(now + timedelta(seconds=seconds), NEVER)
    if start is not None and start <= now:
        form.faults.append("scheduleAt must be in the future")
    if end is not None and end <= now:
        form.faults.append("validUntil must be in the future")
    if start is not None and end is not None and start > end:
        form.faults.append("scheduleAt must be less than or equal to validUntil")
    if start is not None and end == start:
        end = start + _MOMENT
    return start, end


def _sender(form: Form, slots: Sequence[int]) -> int | None:
    number = slot(form) if not form.faults else None
    if number is None:
        return None
    if number > len(slots):
        form.faults.append(f"simNumber {number} is empty; the device has {len(slots)}")
        return None
    return slots[number - 1]


def _tier(form: Form) -> Tier:
    priority = form.integer("priority", least=-128, most=127) or 0
    if priority < 0:
        return Tier.BULK
    return Tier.CRITICAL if priority >= _CRITICAL else Tier.STANDARD
