"""
The `vonage` plug-in: the SMS API (rest.nexmo.com/sms/json).

This API, and not the newer Messages API, because it returns a reference for
each part and our own reference in receipts, takes a validity and needs no RSA
key. Source: Vonage's documents: SMS API
(developer.vonage.com/en/api/sms), Troubleshooting SMS, Delivery receipts,
Inbound SMS (developer.vonage.com/en/messaging/sms/guides/...) and Signing
messages (developer.vonage.com/en/getting-started/concepts/signing-messages).
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, NamedTuple, Self
from urllib.parse import urlencode

import httpx
from pydantic import Field, model_validator

from dispatcher.domain.messages.encoding import Encoding, measure
from dispatcher.providers.base import (
    FORM_CONTENT_TYPE,
    HttpPlugin,
    PluginOptions,
    Secret,
    Url,
    basic_auth,
    read_options,
)
from dispatcher.providers.contract import (
    Accepted,
    BadReceipt,
    Deferred,
    Inbound,
    InboundData,
    InboundPart,
    Outcome,
    Outgoing,
    ProviderConfig,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
    Rejected,
    Status,
    Unknown,
)
from dispatcher.providers.responses import (
    check_signature,
    form_fields,
    json_object,
    outcome_by_status,
    retry_after,
    text_field,
)
from dispatcher.providers.unsigned import NoSignature, require_one, warn_if_unsigned
from dispatcher.providers.validity import time_left

MIN_TTL: Final = timedelta(seconds=20)
MAX_TTL: Final = timedelta(days=7)

_MAX_SHORT_CODE: Final = 6
_MILLISECOND: Final = timedelta(milliseconds=1)

SUBMIT_STATUSES: Final[Mapping[str, Status | None]] = {
    "1": None,  # throttled
    "2": Status.FAILED,  # a parameter is missing
    "3": Status.FAILED,  # a parameter is invalid
    "4": None,  # wrong credentials
    "6": Status.FAILED,  # invalid message, such as an unknown prefix
    "7": Status.BLOCKED,  # the number is barred
    "8": None,  # our account is barred
    "9": None,  # our credit is used up
    "10": None,  # too many connections
    "11": None,  # our account may not use this API
    "12": Status.FAILED,  # too long
    "13": None,  # not submitted: a fault in communication
    "14": None,  # wrong signature
    "15": Status.FAILED,  # the sender is not allowed there
    "16": Status.FAILED,  # invalid ttl
    "19": None,  # our account has no such facility
    "20": Status.FAILED,  # invalid message class
    "22": Status.FAILED,  # invalid network code
    "23": None,  # invalid callback URL
    "29": Status.FAILED,  # not one of the numbers a trial may write to
    "32": None,  # a signature and a secret together
    "33": Status.INVALID_NUMBER,  # de-activated
    "34": Status.INVALID_NUMBER,  # no number, or an invalid one
}
"""
The final status for each status of a part but 0 (accepted). None is deferred:
refused for now, or because of our account.

5, an internal error, and statuses that are not listed are Unknown: the part may have been sent.
"""

_OF_ACCOUNT: Final = frozenset({"4", "8", "9", "11", "14", "19", "32"})

RECEIPT_STATUSES: Final[Mapping[str, Status | None]] = {
    "delivered": Status.RECEIVED,
    "accepted": None,
    "buffered": None,
    "unknown": None,
    "expired": Status.TOO_LATE,
    "failed": Status.FAILED,
    "rejected": Status.FAILED,
    "undeliverable": Status.FAILED,
    "deleted": Status.FAILED,
}
"""The statuses of a delivery receipt. The err-code of a failed one says more."""


class VonageFailure(NamedTuple):
    """The meaning of an err-code for a message that was not delivered."""

    status: Status
    opted_out: bool = False


FAILURES: Final[Mapping[str, VonageFailure]] = {
    "0": VonageFailure(Status.FAILED),  # no error, and yet not delivered
    "1": VonageFailure(Status.FAILED),  # unknown
    "2": VonageFailure(Status.UNREACHABLE),  # temporarily absent
    "3": VonageFailure(Status.INVALID_NUMBER),  # permanently absent
    "4": VonageFailure(Status.BLOCKED),  # barred by the subscriber
    "5": VonageFailure(Status.FAILED),  # ported wrongly
    "6": VonageFailure(Status.BLOCKED),  # rejected as spam
    "7": VonageFailure(Status.UNREACHABLE),  # busy
    "8": VonageFailure(Status.UNREACHABLE),  # the network failed
    "9": VonageFailure(Status.BLOCKED, opted_out=True),  # opted out of this service
    "10": VonageFailure(Status.FAILED),  # wrong parameters
    "11": VonageFailure(Status.FAILED),  # no route at Vonage
    "12": VonageFailure(Status.UNREACHABLE),  # no route to the number
    "13": VonageFailure(Status.BLOCKED),  # age restriction
    "14": VonageFailure(Status.BLOCKED),  # blocked by the carrier
    "15": VonageFailure(Status.FAILED),  # a prepaid number without money
    "16": VonageFailure(Status.GAVE_UP),  # the gateway's quota
    "50": VonageFailure(Status.BLOCKED),  # entity filter
    "51": VonageFailure(Status.BLOCKED),  # header filter
    "52": VonageFailure(Status.BLOCKED),  # content filter
    "53": VonageFailure(Status.BLOCKED),  # consent filter
    "54": VonageFailure(Status.BLOCKED),  # regulation
    "99": VonageFailure(Status.FAILED),  # general
}


class VonageOptions(PluginOptions):
    """All options of one `vonage` provider."""

    url: Url = "https://rest.nexmo.com"
    api_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")]
    api_secret: Secret
    sender: Annotated[str, Field(min_length=1, max_length=15)] | None = None
    receipt_url: Annotated[Url, Field(max_length=100)] | None = None
    signature_secret: Secret | None = None
    signature_method: Literal["md5", "sha1", "sha256", "sha512"] = "sha256"
    signature: NoSignature | None = None
    join: timedelta = Field(InboundPart.JOIN, ge=timedelta(0), le=timedelta(hours=1))

    @model_validator(mode="after")
    def _verifies_or_says_so(self) -> Self:
        require_one("signature_secret", self.signature_secret, self.signature)
        return self


class Vonage(HttpPlugin):
    """One message per request, one reference per part; receipts and messages of handsets by webhook."""

    def __init__(
        self,
        config: ProviderConfig,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._options = options = read_options(VonageOptions, config)
        headers = {"Authorization": basic_auth(options.api_key, options.api_secret)}
        super().__init__(config, options, headers=headers, transport=transport)
        warn_if_unsigned(config.name, options.signature)
        self._now = now
        self._receipt_url = options.receipt_url or config.receipt_url
        self._url = httpx.URL(f"{options.url}/sms/json")

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        """Verify and read a delivery receipt or an inbound message, in a query, a form or JSON."""
        fields = _fields(request)
        self._verify(fields)
        if not (ref := text_field(fields, "messageId")):
            raise BadReceipt("the receipt has no messageId")
        if "status" in fields:
            return [_report(ref, fields)]
        if "data" in fields or text_field(fields, "type") == "binary":
            return [InboundData("binary", ref)]
        if "text" in fields:
            return [_inbound(ref, fields, join=self._options.join)]
        raise BadReceipt("the receipt has neither status nor text")

    def _build_request(self, message: Outgoing) -> httpx.Request:
        ttl = time_left(message.not_after, now=self._now(), shortest=MIN_TTL, longest=MAX_TTL)
        sender = message.sender or self._options.sender
        is_plain = measure(message.text).encoding is Encoding.GSM7
        fields = {
            "from": sender.removeprefix("+") if sender else None,
            "to": message.to.removeprefix("+"),
            "text": message.text,
            "type": "text" if is_plain else "unicode",
            "ttl": str(ttl // _MILLISECOND),
            "client-ref": message.reference,
            "status-report-req": "1",
            "callback": self._receipt_url,
        }
        body = urlencode({name: value for name, value in fields.items() if value is not None})
        return self._post(message, self._url, content_type=FORM_CONTENT_TYPE, body=body.encode())

    def _outcome(self, message: Outgoing, response: httpx.Response) -> Outcome:
        if not response.is_success:
            return outcome_by_status(response)
        messages = json_object(response.content).get("messages")
        parts = [part for part in messages if isinstance(part, dict)] if isinstance(messages, list) else []
        refused = [status for part in parts if (status := text_field(part, "status")) != "0"]
        if not parts:
            return Unknown(f"HTTP {response.status_code}, but no messages")
        if not refused:
            return Accepted(tuple(ref for part in parts if (ref := text_field(part, "message-id"))))
        if len(refused) < len(parts):
            return Unknown(f"{len(refused)} of {len(parts)} parts were refused: status {refused[0]}")
        return _refusal(refused[0], response)

    def _verify(self, fields: Mapping[str, object]) -> None:
        """Raise BadSignature unless `sig` is the HMAC of the other fields by name (with _ for & and =)."""
        secret = self._options.signature_secret
        if secret is None:
            return
        signed = "".join(
            f"&{name}={text_field(fields, name).replace('&', '_').replace('=', '_')}"
            for name in sorted(fields)
            if name != "sig"
        )
        key, text = secret.get_secret_value().encode(), signed.encode(errors="replace")
        digest = hmac.digest(key, text, self._options.signature_method).hex()
        check_signature(text_field(fields, "sig").lower(), digest)


def _refusal(status: str, response: httpx.Response) -> Outcome:
    reason = f"status {status}"
    if status not in SUBMIT_STATUSES:
        return Unknown(reason)
    code = SUBMIT_STATUSES[status]
    if code is None:
        return Deferred(reason, retry_after(response), of_account=status in _OF_ACCOUNT)
    return Rejected(code, reason)


def _fields(request: ReceiptRequest) -> Mapping[str, object]:
    if request.method == "GET":
        return request.query
    if "json" not in request.headers.get("content-type", ""):
        return dict(form_fields(request.body))
    if fields := json_object(request.body):
        return fields
    raise BadReceipt("the receipt is not a JSON object")


def _report(ref: str, fields: Mapping[str, object]) -> ReceiptReport:
    word, code = text_field(fields, "status"), text_field(fields, "err-code")
    status = RECEIPT_STATUSES.get(word)
    failure = FAILURES.get(code, VonageFailure(Status.FAILED))
    return ReceiptReport(
        ref,
        text_field(fields, "client-ref") or None,
        failure.status if status is Status.FAILED else status,
        f"{word}: err-code {code}" if code else word,
        opted_out=failure.opted_out and status in (Status.FAILED, Status.TOO_LATE),
    )


def _inbound(ref: str, fields: Mapping[str, object], *, join: timedelta) -> Inbound | InboundPart:
    """Return an inbound message, or the part of a long one that `concat-…` describes."""
    sender, recipient = _with_plus(text_field(fields, "msisdn")), _with_plus(text_field(fields, "to"))
    sent_at = _timestamp(text_field(fields, "message-timestamp"))
    reference = text_field(fields, "concat-ref")
    numbers = InboundPart.read_numbers(text_field(fields, "concat-total"), text_field(fields, "concat-part"))
    if not reference or numbers is None:
        return Inbound(sender, recipient, text_field(fields, "text"), ref=ref, sent_at=sent_at)
    text = fields["text"] if isinstance(fields["text"], str) else text_field(fields, "text")
    return InboundPart.of_text(
        sender, recipient, text, reference=reference, numbers=numbers, ref=ref, sent_at=sent_at, join=join
    )


def _with_plus(digits: str) -> str:
    """Return a number with its "+"; short codes and names have none."""
    return f"+{digits}" if digits.isdecimal() and len(digits) > _MAX_SHORT_CODE else digits


def _timestamp(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
