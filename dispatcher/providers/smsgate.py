"""
The `smsgate` plug-in: an Android phone sends the messages, reached through an SMSGate server.

This product also serves the same API (`docs/dialects/smsgate.md`).
Source: the public documents (docs.sms-gate.app: Sending Messages, Status
Tracking, Webhooks, FAQ) and the Go client
(github.com/android-sms-gateway/client-go, smsgateway/domain_messages.go).
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple, Self
from urllib.parse import quote

import httpx
from pydantic import Field, model_validator

from dispatcher.domain.iso_time import read_iso_time
from dispatcher.providers.base import (
    HttpPlugin,
    PluginOptions,
    Secret,
    Url,
    basic_auth,
    poll_concurrently,
    read_options,
)
from dispatcher.providers.contract import (
    Accepted,
    BadReceipt,
    Deferred,
    Inbound,
    InboundData,
    Outcome,
    Outgoing,
    ProviderConfig,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
    Rejected,
    Status,
    Tier,
    Unknown,
)
from dispatcher.providers.responses import (
    check_signature,
    json_object,
    outcome_by_status,
    poll_response,
    retry_after,
    text_field,
)
from dispatcher.providers.unsigned import HOW_TO_BELIEVE, NoSignature, refuse_both, warn_if_unsigned

PRIORITIES: Final[Mapping[Tier, int]] = {Tier.CRITICAL: 100, Tier.STANDARD: 0, Tier.BULK: -128}
"""Those that its document names: the lowest, normal, and from 100 on past the phone's limits and delays."""

STATES: Final[Mapping[str, Status | None]] = {
    "Pending": None,
    "Processed": None,
    "Cancelling": None,
    "Sent": None,
    "Delivered": Status.RECEIVED,
    "Failed": Status.FAILED,
    "Cancelled": Status.FAILED,
}
"""The states of a recipient. The error of a failed one says more."""

EVENTS: Final[Mapping[str, str]] = {
    "sms:sent": "Sent",
    "sms:delivered": "Delivered",
    "sms:failed": "Failed",
    "sms:cancelled": "Cancelled",
}
_DATA_EVENTS: Final = ("sms:data-received", "mms:")
_IGNORED_EVENTS: Final = ("system:", "app:", "sms:batch:")


class SmsGateFailure(NamedTuple):
    """The meaning of an error that begins with a certain text."""

    status: Status
    opted_out: bool = False


FAILURES: Final[Mapping[str, SmsGateFailure]] = {
    "TTL expired": SmsGateFailure(Status.TOO_LATE),
    # An instance of this product as the server:
    "invalid phone number": SmsGateFailure(Status.INVALID_NUMBER),
    "blocked by the carrier": SmsGateFailure(Status.BLOCKED),
    "recipient opted out": SmsGateFailure(Status.BLOCKED, opted_out=True),
    "expired at the carrier": SmsGateFailure(Status.TOO_LATE),
    "phone or network not available": SmsGateFailure(Status.UNREACHABLE),
    "gave up": SmsGateFailure(Status.GAVE_UP),
}
"""Errors with a final status of their own. Android's RESULT_... are 38: they are about the sending phone."""

REFUSALS: Final[Mapping[str, Status | None]] = {
    "invalid phone number": Status.INVALID_NUMBER,
    "not mobile phone number": Status.INVALID_NUMBER,
    "failed to select device": None,
}
"""The final status for each message of a 400. None is deferred: an operator can correct it."""


class SmsGateOptions(PluginOptions):
    """All options of one `smsgate` provider."""

    url: Url = "https://api.sms-gate.app/3rdparty/v1"
    username: Annotated[str, Field(min_length=1, pattern=r"^[^:]+$")] | None = None
    password: Secret | None = None
    token: Secret | None = None
    device_id: Annotated[str, Field(min_length=1, max_length=21)] | None = None
    sim_number: Annotated[int, Field(ge=1, le=3)] | None = None
    number: Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")] | None = None
    signing_key: Secret | None = None
    signature: NoSignature | None = None

    @model_validator(mode="after")
    def _can_sign_in(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if (self.username is None) == (self.token is None):
            raise ValueError("set username and password, or token")
        refuse_both("signing_key", self.signing_key, self.signature)
        return self

    def authorization(self) -> str:
        """Return the Authorization header."""
        if self.token is not None:
            return f"Bearer {self.token.get_secret_value()}"
        assert self.username is not None
        assert self.password is not None
        return basic_auth(self.username, self.password)


class SmsGate(HttpPlugin):
    """One message per request, by our reference; receipts by webhooks of the phone or polls of the server."""

    def __init__(self, config: ProviderConfig, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._options = options = read_options(SmsGateOptions, config)
        headers = {"Authorization": options.authorization()}
        super().__init__(config, options, headers=headers, transport=transport)
        warn_if_unsigned(config.name, options.signature)
        self._url = httpx.URL(f"{options.url}/messages")
        self._unchecked_url = self._url.copy_merge_params({"skipPhoneValidation": "true"})

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        """Verify and read one event of the phone. Raises BadSignature or BadReceipt."""
        self._verify(request)
        document = json_object(request.body)
        event, payload = text_field(document, "event"), document.get("payload")
        if not event or not isinstance(payload, dict):
            raise BadReceipt("the receipt has no event with a payload")
        if event == "sms:received":
            return [self._inbound(text_field(document, "id"), payload)]
        if event.startswith(_DATA_EVENTS):
            return [InboundData(event, text_field(document, "id") or None)]
        if event.startswith(_IGNORED_EVENTS):
            return []
        ref = text_field(payload, "messageId")
        if not ref:
            raise BadReceipt(f"the event {event} has no messageId")
        return [_report(ref, event, EVENTS.get(event, ""), text_field(payload, "reason"))]

    async def poll(self, refs: Sequence[str]) -> Sequence[ReceiptReport]:
        """Return the reports of these messages, each polled by itself. Raises Unavailable."""
        return await poll_concurrently(refs, self._poll_one)

    def _build_request(self, message: Outgoing) -> httpx.Request:
        fields = {
            "id": message.reference,
            "deviceId": self._options.device_id,
            "phoneNumbers": [message.to],
            "textMessage": {"text": message.text},
            "simNumber": self._options.sim_number,
            "withDeliveryReport": True,
            "priority": PRIORITIES[message.tier],
            "validUntil": message.not_after.astimezone(UTC).isoformat(timespec="milliseconds"),
        }
        present = {name: value for name, value in fields.items() if value is not None}
        body = json.dumps(present, ensure_ascii=False).encode()
        # A short code is no valid number, and was accepted as it is.
        url = self._url if message.to.startswith("+") else self._unchecked_url
        return self._post(message, url, content_type="application/json", body=body)

    def _outcome(self, message: Outgoing, response: httpx.Response) -> Outcome:
        document = json_object(response.content)
        match response.status_code:
            case status if response.is_success:
                ref = text_field(document, "id")
                return Accepted((ref,)) if ref else Unknown(f"HTTP {status}, but no id")
            case httpx.codes.CONFLICT:  # an earlier attempt was accepted
                return Accepted((message.reference,))
            case httpx.codes.NOT_FOUND:
                return Deferred("HTTP 404: there is no such API at this url")
            case httpx.codes.BAD_REQUEST:
                return _refusal(text_field(document, "message"), response)
        return outcome_by_status(response)

    def _verify(self, request: ReceiptRequest) -> None:
        """Raise BadSignature unless X-Signature is the hex HMAC-SHA256 of the body plus X-Timestamp."""
        if self._options.signature is not None:
            return
        key = self._options.signing_key
        if key is None:
            raise BadReceipt(
                "this provider has no receipts; set the signing_key of the phone in its options, "
                f"or {HOW_TO_BELIEVE}"
            )
        stamp = request.headers.get("x-timestamp", "").encode(errors="replace")
        digest = hmac.new(key.get_secret_value().encode(), request.body + stamp, hashlib.sha256).hexdigest()
        check_signature(request.headers.get("x-signature", "").lower(), digest)

    def _inbound(self, event_id: str, payload: Mapping[str, object]) -> Inbound:
        """Return an inbound message. `ref` is the event's id: messageId is only a hash of the content."""
        return Inbound(
            text_field(payload, "sender") or text_field(payload, "phoneNumber"),
            text_field(payload, "recipient") or self._options.number or "",
            text_field(payload, "message"),
            ref=event_id or None,
            sent_at=_timestamp(text_field(payload, "receivedAt")),
        )

    async def _poll_one(self, ref: str) -> ReceiptReport | None:
        response = await self._get(f"{self._url}/{quote(ref, safe='')}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        document = poll_response(response)
        recipients = document.get("recipients")
        first = recipients[0] if isinstance(recipients, list) and recipients else None
        recipient = first if isinstance(first, dict) else document
        state = text_field(recipient, "state")
        return _report(ref, state, state, text_field(recipient, "error"))


def _report(ref: str, word: str, state: str, error: str) -> ReceiptReport:
    """Return a report. The server's id is our reference, so it also matches if the response was lost."""
    status, reason = STATES.get(state), f"{word}: {error}" if error else word
    if status is not Status.FAILED:
        return ReceiptReport(ref, ref, status, reason)
    known = (failure for words, failure in FAILURES.items() if error.startswith(words))
    failure = next(known, SmsGateFailure(Status.FAILED))
    return ReceiptReport(ref, ref, failure.status, reason, opted_out=failure.opted_out)


def _refusal(error: str, response: httpx.Response) -> Outcome:
    words = next((words for words in REFUSALS if words in error), None)
    if words is None:
        return outcome_by_status(response)
    code, reason = REFUSALS[words], f"HTTP 400: {words}"
    return Deferred(reason, retry_after(response)) if code is None else Rejected(code, reason)


def _timestamp(text: str) -> datetime | None:
    try:
        moment = read_iso_time(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
