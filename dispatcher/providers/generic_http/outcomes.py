"""
The outcome of a response: the first matching rule of the operator, else the HTTP status.

2xx is accepted. 429, 503 and 425 are deferred, and so are 401, 402 and 403: our
account is refused, which an operator must correct, and which ends as 39 otherwise.
Any other 4xx but 408 is rejected. Everything else is unknown, because it does not
say that the provider refused the message. In a response to several messages, each
item is read by itself.
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
from dispatcher.providers.responses import ACCOUNT_STATUSES, DEFERRED_STATUSES, retry_after

_REASON_LENGTH: Final = 200
_MAX_SEARCHED: Final = 65_536


class ParsedResponse:
    """One response, parsed once, and only when it is read."""

    def __init__(self, response: httpx.Response, item: Json = None) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.raw = response
        self._item = item

    @cached_property
    def text(self) -> str:
        """The first 64 Ki characters of the body; regular expressions search only these."""
        return self.raw.text[:_MAX_SEARCHED].strip()

    @cached_property
    def document(self) -> Json:
        """The body as JSON, or this message's item of it; None if the body is not JSON."""
        if self._item is not None:
            return self._item
        try:
            return parse_json(self.raw.content)
        except ValueError:
            return None

    @property
    def is_unreadable(self) -> bool:
        """Whether there is a body that is not JSON."""
        return self.document is None and bool(self.text) and self.text != "null"


def outcome_of(response: httpx.Response, options: HttpOptions) -> Outcome:
    """Return the outcome of one message, by the first rule that matches its response."""
    return _outcome(ParsedResponse(response), options)


def outcomes_of(
    response: httpx.Response, options: HttpOptions, batch: BatchFormat, messages: Sequence[Outgoing]
) -> list[Outcome]:
    """
    Return the outcome of each message, by its item as if that were a response of its own.

    A response without items is about all messages. It accepts none of them,
    because it names none: a bare 2xx is Unknown.
    """
    whole = ParsedResponse(response)
    items = find_values(whole.document, batch.answers)
    if not items:
        outcome = _outcome(whole, options)
        if isinstance(outcome, Accepted):
            outcome = Unknown(f"HTTP {whole.status}, but the response names no message")
        return [outcome] * len(messages)
    item_by_reference = _items_by_reference(items, batch, messages)
    return [
        _outcome(ParsedResponse(response, item_by_reference[message.reference]), options)
        if message.reference in item_by_reference
        else Unknown(f"HTTP {whole.status}, but the response does not name this message")
        for message in messages
    ]


def _items_by_reference(
    items: Sequence[Json], batch: BatchFormat, messages: Sequence[Outgoing]
) -> Mapping[str, Json]:
    """Return the item of each message, by its reference or by its position."""
    if batch.reference is not None:
        return {named: item for item in items if (named := first_text(item, batch.reference))}
    if len(items) != len(messages):
        return {}
    return {message.reference: item for message, item in zip(messages, items, strict=True)}


def _outcome(response: ParsedResponse, options: HttpOptions) -> Outcome:
    reason = _reason(response, options.reason)
    rule = next((rule for rule in options.rules if _matches(rule, response)), None)
    match rule.then if rule else _verdict_by_status(response.status):
        case "accepted":
            return _accepted(response, options.reference)
        case "rejected":
            return Rejected(rule.code, reason, rule.opted_out) if rule else Rejected(Status.FAILED, reason)
        case "deferred":
            after = retry_after(response.raw)
            return Deferred(
                reason,
                rule.after if rule and after is None else after,
                of_account=response.status in ACCOUNT_STATUSES,
            )
    return Unknown(reason)


def _verdict_by_status(status: int) -> str:
    if 200 <= status < 300:
        return "accepted"
    if status in DEFERRED_STATUSES:
        return "deferred"
    return "rejected" if 400 <= status < 500 and status != httpx.codes.REQUEST_TIMEOUT else "unknown"


def _matches(rule: ResponseRule, response: ParsedResponse) -> bool:
    if rule.http is not None and response.status not in rule.http:
        return False
    if rule.path is None:
        return not rule.compares_value or rule.are_met(None, response.text)
    return rule.are_met(response.document, "")


def _accepted(response: ParsedResponse, reference: Reference | None) -> Outcome:
    """
    Return Accepted with the references in the response, even if there is none.

    A response that should be JSON and is not may come from a proxy, so it is
    Unknown.
    """
    if reference is None:
        return Accepted(())
    if reference.header is not None:
        found = response.headers.get(reference.header)
        return Accepted((as_text(found),) if found else ())
    if reference.regex is not None:
        matches = reference.regex.finditer(response.text)
        refs = (match[min(match.re.groups, 1)] for match in matches)
        return Accepted(tuple(as_text(ref) for ref in refs if ref))
    if response.is_unreadable:
        return Unknown(f"HTTP {response.status}, but the response is not JSON")
    return Accepted(tuple(map(as_text, find_values(response.document, reference.path or ""))))


def _reason(response: ParsedResponse, path: str | None) -> str:
    text = first_text(response.document, path)
    return f"HTTP {response.status}: {text}"[:_REASON_LENGTH] if text else f"HTTP {response.status}"
