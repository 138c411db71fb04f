"""Reading the body of POST /sms: types are exact, and the response lists all faults."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from starlette.responses import Response

from dispatcher.api.dialects.scheduler.mapping import FAULTS
from dispatcher.api.request_body import Json
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Fault, FaultKind
from dispatcher.domain.hours.local_time import first_instant
from dispatcher.domain.iso_time import read_iso_time
from dispatcher.domain.messages.submission import Submission, WithoutCredit
from dispatcher.domain.numbers.msisdn import NumberPolicy

T = TypeVar("T")

VALIDITY = timedelta(hours=72)
"""How long after its delivery date an SMS may be sent, if the account has no validity of its own."""

# In the document's order, which is also that of errors.
_FIELDS = {
    "message_text": "text",
    "message_stop": "stop_mention",
    "delivery_date": "not_before",
    "sender_id": "sender_id",
    "phone_numbers": "recipients",
}
_NAMES = {ours: name for name, ours in _FIELDS.items()} | {"not_after": "delivery_date"}

_MAX_ECHO = 40
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_EPOCH = datetime.fromtimestamp(0, UTC)
_LAST_TIME = datetime(9999, 12, 31, tzinfo=UTC)


class Form:
    """The fields of a body, read by type; `errors` collects the faults."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = body
        self.errors: dict[str, list[str]] = defaultdict(list)

    def submission(self, caller: Caller, *, simulated: bool) -> Submission:
        """Return the submission; a field with an error is left empty, so that the others can be validated."""
        return Submission(
            recipients=self._recipients(),
            text=self._take("message_text", str, "string") or "",
            numbers=NumberPolicy(require_plus=True, simulated=simulated),
            sender_id=self._take("sender_id", int, "integer"),
            not_before=self._date(ZoneInfo(caller.account.timezone)),
            default_validity=VALIDITY,
            stop_mention=self._take("message_stop", bool, "boolean", required=False) or False,
            without_credit=WithoutCredit.KEEP,
        )

    def refusal(self, faults: Sequence[Fault]) -> Response:
        """Return the response that lists all faults, in the document's order of fields."""
        for fault in faults:
            name = _NAMES[fault.field]
            if fault.kind is FaultKind.EMPTY and self.errors[name]:
                continue  # it is empty because it could not be read
            value = _shortened(fault.value) if fault.kind is FaultKind.NOT_A_NUMBER else fault.value
            self.errors[name].append(FAULTS[fault.kind].format(field=name, value=value))
        return Json({"errors": {name: self.errors[name] for name in _FIELDS if self.errors[name]}}, 400)

    def _take(self, name: str, kind: type[T], word: str, *, required: bool = True) -> T | None:
        """Return a field that is exactly of this type (True is not an integer), else None and an error."""
        value = self._body.get(name)
        if type(value) is kind:
            return value
        if value is not None or (name in self._body and not required):
            self._must_be(name, f'a value of type "{word}"')
        elif required:
            self.errors[name].append(f'The field "{name}" is required')
        return None

    def _recipients(self) -> Sequence[str]:
        value = self._body.get("phone_numbers")
        if isinstance(value, str):
            return [value]
        if value is None:
            self.errors["phone_numbers"].append('The field "phone_numbers" is required')
        elif not isinstance(value, list) or not all(isinstance(number, str) for number in value):
            self._must_be("phone_numbers", 'a list of type "string"')
        return [number for number in value if isinstance(number, str)] if isinstance(value, list) else []

    def _date(self, zone: ZoneInfo) -> datetime | None:
        value = self._body.get("delivery_date")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _from_epoch(value)
        text = self._take("delivery_date", str, "string")
        try:
            return None if text is None else _from_text(text, zone)
        except ValueError:
            self._must_be("delivery_date", 'a date formatted as "YYYY-MM-DD HH:MM:SS"')
            return None

    def _must_be(self, name: str, what: str) -> None:
        self.errors[name].append(f'The field "{name}" must be {what}')


def _shortened(number: str) -> str:
    return number if len(number) <= _MAX_ECHO else number[:_MAX_ECHO] + "…"


def _from_text(text: str, zone: ZoneInfo) -> datetime:
    """Return the time of a text: the document's format, or ISO 8601 with an offset. Raises ValueError."""
    if _DATE.fullmatch(text):
        local = read_iso_time(text)
        try:
            return first_instant(max(local, _EPOCH.replace(tzinfo=None)), zone)
        except OverflowError:
            return _LAST_TIME
    at = read_iso_time(text)
    if at.tzinfo is None:
        raise ValueError("the time has neither the document's format nor an offset")
    # Compared before it is converted: at the calendar's ends a conversion overflows.
    return min(max(at, _EPOCH), _LAST_TIME).astimezone(UTC)


def _from_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), _LAST_TIME.timestamp()), UTC)
