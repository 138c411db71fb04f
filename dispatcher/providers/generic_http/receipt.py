"""Reading what a provider tells by the operator's description: signature first, then what is in it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from dispatcher.providers.contract import BadReceipt, Inbound, ProviderReports, ReceiptReport, ReceiptRequest
from dispatcher.providers.generic_http.path import as_text, find_values, first_text, parse_json
from dispatcher.providers.generic_http.receipt_options import InboundOptions, ReceiptOptions
from dispatcher.providers.generic_http.template import Json
from dispatcher.providers.responses import form_fields


def read_reports(
    request: ReceiptRequest,
    form: ReceiptOptions,
    inbound: InboundOptions | None = None,
    *,
    now: float,
) -> Sequence[ProviderReports]:
    """
    Verify and read one request; `now` in seconds since 1970.

    Raises BadSignature if it is not the provider's, BadReceipt if unreadable.
    """
    if form.signature is not None:
        form.signature.verify(request, now=now)
    return [_read_item(item, request, form, inbound) for item in _items(request, form)]


def _read_item(
    item: Json, request: ReceiptRequest, form: ReceiptOptions, inbound: InboundOptions | None
) -> ProviderReports:
    if inbound is not None and inbound.when.hold(item, ""):
        return _inbound(item, request, inbound)
    return _report(item, request, form)


def _items(request: ReceiptRequest, form: ReceiptOptions) -> Sequence[Json]:
    match form.source:
        case "query":
            return [dict(request.query)]
        case "form":
            return [dict(form_fields(request.body))]
        case "fields":
            return [_fields(request)]
    items = find_values(_json(request.body), form.items or "")
    if not items:
        raise BadReceipt(
            f"the receipt has nothing at {form.items!r}" if form.items else "the receipt is empty"
        )
    return items


def _fields(request: ReceiptRequest) -> dict[str, Json]:
    """Join the fields of the query and of the body, which may be a form or a JSON object."""
    if not request.body:
        return dict(request.query)
    is_json = "json" in request.headers.get("content-type", "")
    fields = _json(request.body) if is_json else dict(form_fields(request.body))
    if not isinstance(fields, dict):
        raise BadReceipt("the receipt is no JSON object")
    return {**request.query, **fields}


def _json(body: bytes) -> Json:
    try:
        return parse_json(body)
    except ValueError:
        raise BadReceipt("the receipt is not JSON") from None


def _report(item: Json, request: ReceiptRequest, form: ReceiptOptions) -> ReceiptReport:
    ref, reference = first_text(item, form.ref), _reference(item, request, form.reference)
    if not ref and not reference:
        raise BadReceipt(f"the receipt names no message at {form.ref or form.reference!r}")
    word = first_text(item, form.status)
    if word is None:
        raise BadReceipt(f"the receipt has no status at {form.status!r}")
    reason = first_text(item, form.reason)
    rule = next((rule for rule in form.rules if rule.hold(item, word)), None)
    return ReceiptReport(
        ref=ref or None,
        reference=reference or None,
        status=rule.code if rule else form.words.get(word.casefold(), form.unknown_word),
        reason=f"{word}: {reason}" if reason else word,
        opted_out=rule is not None and rule.opted_out,
    )


def _reference(item: Json, request: ReceiptRequest, path: str | None) -> str | None:
    """Read our own reference, which we may have put into the URL for a provider that returns none."""
    if path is not None and path.startswith("?"):
        said = request.query.get(path.removeprefix("?"))
        return as_text(said) if said else None
    return first_text(item, path)


def _inbound(item: Json, request: ReceiptRequest, form: InboundOptions) -> Inbound:
    sender, recipient = first_text(item, form.sender), first_text(item, form.recipient)
    if not sender or not recipient:
        raise BadReceipt(f"the message has nobody at {form.recipient if sender else form.sender!r}")
    charset = first_text(item, form.charset)
    text = _decoded_again(request, form.text, charset) if charset else first_text(item, form.text)
    return Inbound(
        sender=sender,
        recipient=recipient,
        text=(text or "").replace("\0", "?"),
        ref=first_text(item, form.ref) or None,
        sent_at=_timestamp(first_text(item, form.sent_at)),
    )


def _decoded_again(request: ReceiptRequest, name: str, charset: str) -> str:
    """Read a field of the URL again, in the charset in which the provider says it wrote it."""
    fields = parse_qs(urlsplit(request.url).query, encoding="latin-1")
    try:
        return fields.get(name, [""])[0].encode("latin-1").decode(charset)
    except (LookupError, ValueError):
        raise BadReceipt(f"the text is not in the charset {charset!r}") from None


def _timestamp(said: str | None) -> datetime | None:
    """Read seconds since 1970 or ISO 8601; None for what is neither, or has no time zone."""
    try:
        if said is None or said.isdecimal():
            return datetime.fromtimestamp(int(said), UTC) if said else None
        moment = datetime.fromisoformat(said)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else None
