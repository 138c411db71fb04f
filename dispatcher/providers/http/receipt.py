"""Reading a provider's receipts by the operator's description: signature first, then the reports in it."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qsl

from dispatcher.domain.errors import BadReceipt, BadSignature
from dispatcher.domain.provider import ReceiptRequest, Report
from dispatcher.providers.http.options import HmacSignature, Receipts, TokenSignature
from dispatcher.providers.http.path import find, first_text, parse
from dispatcher.providers.http.template import Json


def read(request: ReceiptRequest, form: Receipts) -> Sequence[Report]:
    """Verify and read one request; BadSignature if it is not the provider's, BadReceipt if unreadable."""
    match form.signature:
        case TokenSignature() as shared:
            _verify_token(request, shared)
        case HmacSignature() as signed:
            _verify_hmac(request, signed)
    return [_report(item, form) for item in _items(request, form)]


def _verify_token(request: ReceiptRequest, shared: TokenSignature) -> None:
    shown = request.headers.get((shared.header or "").lower(), "")
    if shared.query is not None:
        shown = request.query.get(shared.query, "")
    if not hmac.compare_digest(shown.encode(), shared.token.get_secret_value().encode()):
        raise BadSignature("the token of this receipt is missing or wrong")


def _verify_hmac(request: ReceiptRequest, signed: HmacSignature) -> None:
    digest = hmac.digest(signed.secret.get_secret_value().encode(), request.body, hashlib.sha256)
    shown = request.headers.get(signed.header.lower(), "")
    if not shown.startswith(signed.prefix):
        raise BadSignature(f"the signature does not start with {signed.prefix!r}")
    try:
        text = shown.removeprefix(signed.prefix)
        given = bytes.fromhex(text) if signed.encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise BadSignature(f"the signature is not {signed.encoding}") from None
    if not hmac.compare_digest(given, digest):
        raise BadSignature("the signature does not fit the body")


def _items(request: ReceiptRequest, form: Receipts) -> Sequence[Json]:
    if form.source == "query":
        return [dict(request.query)]
    if form.source == "form":
        return [_form(request.body)]
    try:
        document = parse(request.body)
    except ValueError:
        raise BadReceipt("the receipt is not JSON") from None
    items = find(document, form.items or "")
    if not items:
        raise BadReceipt(
            f"the receipt has nothing at {form.items!r}" if form.items else "the receipt is empty"
        )
    return items


def _form(body: bytes) -> Json:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    except ValueError:
        raise BadReceipt("the receipt is not a form") from None


def _report(item: Json, form: Receipts) -> Report:
    ref, reference = first_text(item, form.ref), first_text(item, form.reference)
    if not ref and not reference:
        raise BadReceipt(f"the receipt names no message at {form.ref or form.reference!r}")
    word = first_text(item, form.status)
    if word is None:
        raise BadReceipt(f"the receipt has no status at {form.status!r}")
    reason = first_text(item, form.reason)
    return Report(
        ref=ref or None,
        reference=reference or None,
        status=form.words.get(word.casefold(), form.unknown_word),
        reason=f"{word}: {reason}" if reason else word,
    )
