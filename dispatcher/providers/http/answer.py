"""
What a provider's answer means: the operator's rules in order, then what HTTP itself says.

2xx is accepted. 429, 503 and 425 are "later", and so are 401, 402 and 403: our
account there is refused, which is for the operator to mend and ends as 39 if
nobody does. Any other 4xx is a refusal, but 408, where the provider does not know
either. All else is unknown: it never said that it did not take the message.
"""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Final

import httpx

from dispatcher.domain.provider import Accepted, Deferred, Outcome, Rejected, Unknown
from dispatcher.domain.status import Status
from dispatcher.providers.http.options import HttpOptions, Reference, Rule
from dispatcher.providers.http.path import as_text, find, first_text, parse
from dispatcher.providers.http.template import Json

_REASON_LENGTH: Final = 200
_LATER: Final = frozenset({401, 402, 403, 425, 429, 503})
_SEARCHED: Final = 65_536


class Answer:
    """One answer, parsed once and only if somebody asks."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self._response = response

    @cached_property
    def text(self) -> str:
        """The body's beginning as text; regular expressions look no further."""
        return self._response.text[:_SEARCHED].strip()

    @cached_property
    def document(self) -> Json:
        """The body as JSON; null if it is none."""
        try:
            return parse(self._response.content)
        except ValueError:
            return None

    @property
    def is_unreadable(self) -> bool:
        """Whether there is a body, and it is not JSON."""
        return self.document is None and bool(self.text) and self.text != "null"


def judge(response: httpx.Response, options: HttpOptions) -> Outcome:
    """Say what this answer means for its message; the first rule that fits decides."""
    answer = Answer(response)
    reason = _reason(answer, options.reason)
    rule = next((rule for rule in options.rules if _fits(rule, answer)), None)
    match rule.then if rule else _by_http(answer.status):
        case "accepted":
            return _accepted(answer, options.reference)
        case "rejected":
            return Rejected(rule.code if rule else Status.FAILED, reason)
        case "deferred":
            after = _retry_after(answer.headers)
            return Deferred(reason, rule.after if rule and after is None else after)
    return Unknown(reason)


def _by_http(status: int) -> str:
    if 200 <= status < 300:
        return "accepted"
    if status in _LATER:
        return "deferred"
    return "rejected" if 400 <= status < 500 and status != httpx.codes.REQUEST_TIMEOUT else "unknown"


def _fits(rule: Rule, answer: Answer) -> bool:
    if rule.http is not None and answer.status not in rule.http:
        return False
    if rule.path is None:
        return _value_fits(rule, answer.text)
    return any(_value_fits(rule, as_text(value)) for value in find(answer.document, rule.path))


def _value_fits(rule: Rule, value: str) -> bool:
    if "equals" in rule.model_fields_set and value != as_text(rule.equals):
        return False
    if rule.one_of is not None and value not in map(as_text, rule.one_of):
        return False
    return rule.matches is None or rule.matches.search(value) is not None


def _accepted(answer: Answer, reference: Reference | None) -> Outcome:
    """
    Accept with what reference there is, be it none.

    An answer that should be JSON and is not comes from somebody else, a proxy
    perhaps, so nobody can tell.
    """
    if reference is None:
        return Accepted(())
    if reference.header is not None:
        found = answer.headers.get(reference.header)
        return Accepted((as_text(found),) if found else ())
    if reference.regex is not None:
        matches = reference.regex.finditer(answer.text)
        refs = (match[min(match.re.groups, 1)] for match in matches)
        return Accepted(tuple(as_text(ref) for ref in refs if ref))
    if answer.is_unreadable:
        return Unknown(f"HTTP {answer.status}, but the answer is not JSON")
    return Accepted(tuple(map(as_text, find(answer.document, reference.path or ""))))


def _reason(answer: Answer, path: str | None) -> str:
    said = first_text(answer.document, path)
    return f"HTTP {answer.status}: {said}"[:_REASON_LENGTH] if said else f"HTTP {answer.status}"


def _retry_after(headers: httpx.Headers) -> timedelta | None:
    """Read Retry-After (RFC 9110, 10.2.3); a date counts from the answer's own Date, so no clock is asked."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return timedelta(seconds=min(int(said[:9]), 86_400))
    then, sent = _http_date(said), _http_date(headers.get("date", ""))
    return max(then - sent, timedelta(0)) if then and sent else None


def _http_date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an offset beyond the calendar
        return None
    return when if when.tzinfo else None
