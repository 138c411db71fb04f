"""Reading the fields of a message: strings in a query or a form, or the types of JSON."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.errors import Fault, FaultKind
from dispatcher.domain.hours.local_time import first_instant
from dispatcher.domain.iso_time import read_iso_time
from dispatcher.domain.messages.submission import Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier

Names = Mapping[str, Sequence[str]]
"""The names of a surface for the fields of a Submission; of several, the first one present counts."""

V1: Names = {"recipients": ("numbers",), "text": ("message_body",)}
V2: Names = {
    "recipients": ("numbers", "to", "phone_numbers"),
    "text": ("message_body", "message", "text"),
    "sender_id": ("sender_id", "from"),
    "not_before": ("schedule_at",),
    "tier": ("type",),
}

_MAX_ECHO = 40
_MAX_ID_DIGITS = 18


class Form:
    """The fields of a message, read by type; it collects the faults."""

    def __init__(self, fields: Mapping[str, object], names: Names, faults: Mapping[FaultKind, str]) -> None:
        # An empty field counts as missing, as with Laravel's middleware.
        self._values = {name: value for name, value in fields.items() if value not in (None, "")}
        self._names = names
        self._faults = faults
        self._errors: dict[str, list[str]] = defaultdict(list)

    def submission(self, caller: Caller, *, simulated: bool) -> Submission:
        """Return the submission; a field with an error is left empty, so that the others can be validated."""
        sender_id, sender_name = self._sender()
        country = caller.account.default_country
        return Submission(
            recipients=self._recipients(),
            text=self._text("text") or "",
            numbers=NumberPolicy(
                default_country=country,
                national=True,
                lenient=True,
                blank_is_plus=True,  # a form decodes a bare "+" to a blank
                simulated=simulated,
            ),
            tier=self._tier(),
            sender_id=sender_id,
            sender_name=sender_name,
            not_before=self._time(caller.account),
        )

    @property
    def is_faulty(self) -> bool:
        """Whether a field cannot be read."""
        return bool(self._errors)

    def errors(self, faults: Sequence[Fault]) -> dict[str, list[str]]:
        """Return all faults, by the client's field names and in the document's order."""
        for fault in faults:
            name = self._name(fault.field)
            if fault.kind is FaultKind.EMPTY and self._errors[name]:
                continue  # it is empty because it could not be read
            if fault.kind is FaultKind.NOT_A_NUMBER:
                fault = replace(fault, value=_shortened(fault.value.strip()))
            text = self._faults[fault.kind].format(field=_label(name), value=fault.advised_value)
            self._errors[name].append(text)
        order = [self._name(field) for field in self._names]
        return {name: self._errors[name] for name in order if self._errors[name]}

    def _name(self, field: str) -> str:
        names = self._names[field]
        return next((name for name in names if name in self._values), names[0])

    def _value(self, field: str) -> object:
        return self._values.get(self._name(field)) if field in self._names else None

    def _require(self, field: str, what: str) -> None:
        name = self._name(field)
        self._errors[name].append(f"The {_label(name)} field must be {what}.")

    def _text(self, field: str) -> str | None:
        value = self._value(field)
        if value is None or isinstance(value, str):
            return value
        self._require(field, "a string")
        return None

    def _recipients(self) -> Sequence[str]:
        """Return the numbers, split at commas, without empty ones."""
        value = self._value("recipients")
        lines = value if isinstance(value, list) else [value]
        if value is not None and not all(isinstance(line, str) for line in lines):
            self._require("recipients", "a string or an array of strings")
        numbers = (number for line in lines if isinstance(line, str) for number in line.split(","))
        return [number.rstrip() for number in numbers if number.strip()]

    def _sender(self) -> tuple[int | None, str | None]:
        """Return the id or the name of a sender. Digits are an id in `sender_id`, a short code in `from`."""
        value = self._value("sender_id")
        if isinstance(value, int) and not isinstance(value, bool):
            return value, None
        text = self._text("sender_id")
        if text is None:
            return None, None
        is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS
        return (int(text), None) if is_number and self._name("sender_id") != "from" else (None, text)

    def _tier(self) -> Tier | None:
        text = self._text("tier")
        try:
            return Tier(text) if text is not None else None
        except ValueError:
            self._require("tier", f"one of {', '.join(Tier)}")
            return None

    def _time(self, account: Account) -> datetime | None:
        text = self._text("not_before")
        try:
            return _instant(text, ZoneInfo(account.timezone)) if text is not None else None
        except (ValueError, OverflowError):  # OverflowError at the calendar's ends
            self._require("not_before", "a valid date, as YYYY-MM-DD HH:MM:SS or in ISO 8601")
            return None


def _instant(text: str, zone: ZoneInfo) -> datetime:
    """Return the time of an ISO 8601 text, with or without its T; without an offset it is in this zone."""
    at = read_iso_time(text)
    return first_instant(at, zone) if at.tzinfo is None else at.astimezone(UTC)


def _label(name: str) -> str:
    return name.replace("_", " ")


def _shortened(value: str) -> str:
    return value if len(value) <= _MAX_ECHO else value[:_MAX_ECHO] + "…"
