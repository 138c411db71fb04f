"""
What a provider's answer means: the operator's rules in order, then what HTTP itself says.

2xx is accepted. 429, 503 and 425 are "later", and so are 401, 402 and 403: our
account there is refused, which is for the operator to mend and ends as 39 if
nobody does. Any other 4xx is a refusal, but 408, where the provider does not know
either. All else is unknown: it never said that it did not take the message.
An answer to several messages is judged item by item.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import httpx

from dispatcher.providers.contract import Accepted, Deferred, Outcome, Outgoing, Rejected, Status, Unknown
from dispatcher.providers.generic_http.batch import BatchFormat
from dispatcher.providers.generic_http.conditions import ResponseRule
from dispatcher.providers.generic_http.options import HttpOptions
from dispatcher.providers.generic_http.path import as_text, find_values, first_text, parse_json
from dispatcher.providers.generic_http.reference import Reference
from dispatcher.providers.generic_http.template import Json
from dispatcher.providers.responses import retry_after

_REASON_LENGTH: Final = 200
_DEFERRED_STATUSES: Final = frozenset({401, 402, 403, 425, 429, 503})
_MAX_SEARCHED: Final = 65_536


class ParsedResponse:
    """One answer, parsed once and only if somebody asks."""

    def __init__(self, response: httpx.Response, item: Json = None) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.response = response
        self._item = item

    @cached_property
    def text(self) -> str:
        """The body's beginning as text; regular expressions look no further."""
        return self.response.text[:_MAX_SEARCHED].strip()

    @cached_property
    def document(self) -> Json:
        """The body as JSON, or the item of it that this is about; null if it is none."""
        if self._item is not None:
            return self._item
        try:
            return parse_json(self.response.content)
        except ValueError:
            return None

    @property
    def is_unreadable(self) -> bool:
        """Whether there is a body, and it is not JSON."""
        return self.document is None and bool(self.text) and self.text != "null"


def outcome_of(response: httpx.Response, options: HttpOptions) -> Outcome:
    """Say what this answer means for its message; the first rule that fits decides."""
    return _outcome(ParsedResponse(response), options)


def outcomes_of(
    response: httpx.Response, options: HttpOptions, batch: BatchFormat, messages: Sequence[Outgoing]
) -> list[Outcome]:
    """
    Say what this answer means for each message: its item is judged as an answer to one would be.

    An answer without items is about all of them, and takes none that it does
    not name: where it says no more than 2xx, nobody can tell.
    """
    whole = ParsedResponse(response)
    items = find_values(whole.document, batch.answers)
    if not items:
        outcome = _outcome(whole, options)
        if isinstance(outcome, Accepted):
            outcome = Unknown(f"HTTP {whole.status}, but the answer names no message")
        return [outcome] * len(messages)
    own = _items_by_reference(items, batch, messages)
    return [
        _outcome(ParsedResponse(response, own[message.reference]), options)
        if message.reference in own
        else Unknown(f"HTTP {whole.status}, but the answer says nothing of this message")
        for message in messages
    ]


def _items_by_reference(
    items: Sequence[Json], batch: BatchFormat, messages: Sequence[Outgoing]
) -> Mapping[str, Json]:
    """Find the item of each message, by its reference or by its place."""
    if batch.reference is not None:
        return {named: item for item in items if (named := first_text(item, batch.reference))}
    if len(items) != len(messages):
        return {}
    return {message.reference: item for message, item in zip(messages, items, strict=True)}


def _outcome(answer: ParsedResponse, options: HttpOptions) -> Outcome:
    reason = _reason(answer, options.reason)
    rule = next((rule for rule in options.rules if _matches(rule, answer)), None)
    match rule.then if rule else _verdict_by_status(answer.status):
        case "accepted":
            return _accepted(answer, options.reference)
        case "rejected":
            return Rejected(rule.code, reason, rule.opted_out) if rule else Rejected(Status.FAILED, reason)
        case "deferred":
            after = retry_after(answer.response)
            return Deferred(reason, rule.after if rule and after is None else after)
    return Unknown(reason)


def _verdict_by_status(status: int) -> str:
    if 200 <= status < 300:
        return "accepted"
    if status in _DEFERRED_STATUSES:
        return "deferred"
    return "rejected" if 400 <= status < 500 and status != httpx.codes.REQUEST_TIMEOUT else "unknown"


def _matches(rule: ResponseRule, answer: ParsedResponse) -> bool:
    if rule.http is not None and answer.status not in rule.http:
        return False
    if rule.path is None:
        return not rule.reads or rule.hold(None, answer.text)
    return rule.hold(answer.document, "")


def _accepted(answer: ParsedResponse, reference: Reference | None) -> Outcome:
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
    return Accepted(tuple(map(as_text, find_values(answer.document, reference.path or ""))))


def _reason(answer: ParsedResponse, path: str | None) -> str:
    said = first_text(answer.document, path)
    return f"HTTP {answer.status}: {said}"[:_REASON_LENGTH] if said else f"HTTP {answer.status}"
