"""Reading the body of POST /sms: types are exact, and one message lists all faults."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from dispatcher.api.dialects.emsgnow.mapping import FIELDS, describe_fault
from dispatcher.api.dialects.emsgnow.responses import MESSAGE_TYPE
from dispatcher.domain.errors import Fault, Invalid
from dispatcher.domain.iso_time import read_iso_time
from dispatcher.domain.messages.submission import Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.settings import Settings

T = TypeVar("T")

_MAX_CLIENT_ID = 100
_NOT_STORABLE = re.compile(
    "[\0\ud800-\udfff]"
)  # Postgres cannot store NUL, nor UTF-8 half of a surrogate pair
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


class Form:
    """The fields of a body, read by type; null counts as left out."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = body
        self.errors: list[tuple[str, str]] = []  # the field, and what is wrong with it

    def submission(self, settings: Settings) -> Submission:
        """Return the submission; a field with an error is left empty, so that the others can be validated."""
        self._check_type()
        return Submission(
            recipients=[self._required("to")],
            sender_name=self._required("from"),
            text=self._text(settings.emsgnow_max_characters),
            template_id=self._string("templateId"),
            variables=self._variables(),
            not_before=self._time("notBefore"),
            not_after=self._time("notAfter"),
            callback_url=self._string("callbackUrl"),
            client_id=self._client_id(),
            numbers=NumberPolicy(require_valid=False, simulated=settings.simulated_numbers),
            tier=Tier.STANDARD,
            default_validity=timedelta(seconds=settings.emsgnow_validity),
        )

    def refusal(self, faults: Sequence[Fault]) -> Invalid:
        """Return the error with all faults: those of the fields that could be read follow."""
        unread = {name for name, _ in self.errors}
        if "templateId" in unread:
            unread |= {"message", "variables"}  # the text would have been the template's
        found = [f"{name}: {why}" for name, why in self.errors]
        found += [describe_fault(fault) for fault in faults if FIELDS[fault.field] not in unread]
        return Invalid("; ".join(found))

    def _check_type(self) -> None:
        if self._body.get("messageType") not in (None, MESSAGE_TYPE):
            self._refuse("messageType", f'must be "{MESSAGE_TYPE}"')

    def _text(self, limit: int) -> str:
        """Return the text, "" if there is a template; a limit of 0 is no limit."""
        text = self._string("message")
        if self._has("templateId"):
            return ""
        if not self._has("message"):
            self._refuse("message", "is required, or templateId")
        elif text is not None and 0 < limit < len(text):
            self._refuse("message", f"has {len(text)} characters, at most {limit}")
        return text or ""

    def _variables(self) -> Mapping[str, str]:
        variables = self._take("variables", dict, "an object") or {}
        values = {name: _as_text(value) for name, value in variables.items()}
        if None in values.values():
            self._refuse("variables", "each value must be a string, a number or a boolean")
        return {name: value for name, value in values.items() if value is not None}

    def _time(self, name: str) -> datetime | None:
        text = self._string(name)
        try:
            return None if text is None else _read_time(text)
        except (ValueError, OverflowError):
            self._refuse(name, "must be a UTC date-time: YYYY-MM-DDThh:mm:ss.sssZ")
            return None

    def _client_id(self) -> str:
        client_id = self._string("clientId") or ""
        if len(client_id) > _MAX_CLIENT_ID:
            self._refuse("clientId", f"has {len(client_id)} characters, at most {_MAX_CLIENT_ID}")
        return client_id

    def _required(self, name: str) -> str:
        if not self._has(name):
            self._refuse(name, "is required")
        return self._string(name) or ""

    def _string(self, name: str) -> str | None:
        value = self._take(name, str, "a string")
        if value is not None and _NOT_STORABLE.search(value):
            self._refuse(name, "contains NUL or half of a surrogate pair, which cannot be stored")
            return None
        return value

    def _take(self, name: str, kind: type[T], word: str) -> T | None:
        value = self._body.get(name)
        if value is None or isinstance(value, kind):
            return value
        self._refuse(name, f"must be {word}")
        return None

    def _has(self, name: str) -> bool:
        return self._body.get(name) is not None

    def _refuse(self, name: str, why: str) -> None:
        self.errors.append((name, why))


def _as_text(value: object) -> str | None:
    """Return the value of a variable as JSON writes it; None if its type is not valid."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    return None


def _read_time(text: str) -> datetime:
    """
    Return the time of an ISO 8601 text; without an offset it is UTC.

    Raises ValueError, and OverflowError at the calendar's ends.
    """
    if not _TIME.fullmatch(text.upper()):
        raise ValueError("not a date and a time")
    at = read_iso_time(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
