"""Reading receipts and inbound messages as the options describe them, after the signature is verified."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from dispatcher.domain.iso_time import read_iso_time
from dispatcher.domain.messages.text import storable_text
from dispatcher.providers.contract import (
    BadReceipt,
    Inbound,
    InboundData,
    InboundPart,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
)
from dispatcher.providers.generic_http.path import as_text, find_values, first_text, parse_json
from dispatcher.providers.generic_http.receipt_options import InboundOptions, PartOptions, ReceiptOptions
from dispatcher.providers.generic_http.template import Json
from dispatcher.providers.responses import form_fields


def read_reports(
    request: ReceiptRequest,
    options: ReceiptOptions,
    inbound: InboundOptions | None = None,
    *,
    now: float,
) -> Sequence[ProviderReports]:
    """
    Return the reports of one verified request; `now` is in seconds since 1970.

    Raises BadSignature if it is not the provider's, BadReceipt if it cannot be read.
    """
    if options.signature is not None:
        options.signature.verify(request, now=now)
    items = _items(request, options)
    return [report for item in items for report in _read_item(item, request, options, inbound)]


def _read_item(
    item: Json, request: ReceiptRequest, options: ReceiptOptions, inbound: InboundOptions | None
) -> Sequence[ProviderReports]:
    if inbound is None:
        return [_report(item, request, options)]
    has_text = inbound.when.are_met(item, "")
    if any(rule.are_met(item, "") for rule in inbound.data):
        data = InboundData("data", first_text(item, inbound.ref) or None)
        return [_inbound(item, request, inbound), data] if has_text and _text(item, inbound.text) else [data]
    return [_inbound(item, request, inbound) if has_text else _report(item, request, options)]


def _items(request: ReceiptRequest, options: ReceiptOptions) -> Sequence[Json]:
    match options.source:
        case "query":
            return [dict(request.query)]
        case "form":
            return [dict(form_fields(request.body))]
        case "fields":
            return [_fields(request)]
    items = find_values(_json(request.body), options.items or "")
    if not items:
        raise BadReceipt(
            f"the receipt has nothing at {options.items!r}" if options.items else "the receipt is empty"
        )
    return items


def _fields(request: ReceiptRequest) -> dict[str, Json]:
    """Return the fields of the query and of the body, which is a form or a JSON object."""
    if not request.body:
        return dict(request.query)
    is_json = "json" in request.headers.get("content-type", "")
    fields = _json(request.body) if is_json else dict(form_fields(request.body))
    if not isinstance(fields, dict):
        raise BadReceipt("the receipt is not a JSON object")
    return {**request.query, **fields}


def _json(body: bytes) -> Json:
    try:
        return parse_json(body)
    except ValueError:
        raise BadReceipt("the receipt is not JSON") from None


def _report(item: Json, request: ReceiptRequest, options: ReceiptOptions) -> ReceiptReport:
    ref, reference = first_text(item, options.ref), _reference(item, request, options.reference)
    if not ref and not reference:
        raise BadReceipt(f"the receipt names no message at {options.ref or options.reference!r}")
    word = first_text(item, options.status)
    if word is None:
        raise BadReceipt(f"the receipt has no status at {options.status!r}")
    reason = first_text(item, options.reason)
    rule = next((rule for rule in options.rules if rule.are_met(item, word)), None)
    return ReceiptReport(
        ref=ref or None,
        reference=reference or None,
        status=rule.code if rule else options.words.get(word.casefold(), options.unknown_word),
        reason=f"{word}: {reason}" if reason else word,
        opted_out=rule is not None and rule.opted_out,
    )


def _reference(item: Json, request: ReceiptRequest, path: str | None) -> str | None:
    """Return our reference, from the URL for a provider that returns none (path "?NAME")."""
    if path is not None and path.startswith("?"):
        value = request.query.get(path.removeprefix("?"))
        return as_text(value) if value else None
    return first_text(item, path)


def _inbound(
    item: Json, request: ReceiptRequest, options: InboundOptions
) -> Inbound | InboundPart | InboundData:
    sender, recipient = first_text(item, options.sender), first_text(item, options.recipient)
    if not sender or not recipient:
        raise BadReceipt(f"the message has no number at {options.recipient if sender else options.sender!r}")
    charset, ref = first_text(item, options.charset), first_text(item, options.ref) or None
    text = _decoded_again(request, options.text, charset) if charset else _text(item, options.text)
    if text is None:
        return InboundData(f"not text in {charset!r}" if charset else f"nothing at {options.text!r}", ref)
    sent_at = _timestamp(first_text(item, options.sent_at))
    part = _part(item, options.part)
    if part is None:
        return Inbound(sender, recipient, storable_text(text, nul="?"), ref, sent_at)
    return InboundPart.of_text(
        sender,
        recipient,
        text,
        reference=part.reference,
        numbers=part.numbers,
        ref=ref,
        sent_at=sent_at,
        join=part.join,
    )


class _Part(NamedTuple):
    reference: str
    numbers: tuple[int, int]
    join: timedelta


def _part(item: Json, options: PartOptions | None) -> _Part | None:
    """Return which part of a long message this is; None for a whole one."""
    if options is None:
        return None
    reference = first_text(item, options.reference)
    numbers = InboundPart.read_numbers(
        first_text(item, options.total) or "", first_text(item, options.number) or ""
    )
    return _Part(reference, numbers, options.join) if reference and numbers else None


def _text(item: Json, path: str) -> str | None:
    """Return a text as it is: half of a surrogate pair may have its other half in another part."""
    found = find_values(item, path)
    return found[0] if found and isinstance(found[0], str) else first_text(item, path)


def _decoded_again(request: ReceiptRequest, name: str, charset: str) -> str | None:
    """Return a field of the URL, decoded again in the charset that the provider names; None for data."""
    fields = parse_qs(urlsplit(request.url).query, encoding="latin-1")
    try:
        return fields.get(name, [""])[0].encode("latin-1").decode(charset)
    except (LookupError, ValueError):
        return None


def _timestamp(text: str | None) -> datetime | None:
    """Return a time of seconds since 1970 or ISO 8601; None for anything else, or without a time zone."""
    try:
        if text is None or text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC) if text else None
        moment = read_iso_time(text)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else None
