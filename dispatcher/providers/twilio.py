"""
The `twilio` plug-in: Programmable Messaging, API 2010-04-01.

Source: Twilio's documents: the Messages resource
(www.twilio.com/docs/messaging/api/message-resource), Security
(www.twilio.com/docs/usage/security), TwiML for Messaging
(www.twilio.com/docs/messaging/twiml) and the Error and Warning Dictionary
(www.twilio.com/docs/api/errors). They document no idempotency key for messages.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
from pydantic import Field, model_validator

from dispatcher.providers.base import (
    FORM_CONTENT_TYPE,
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
    Unknown,
)
from dispatcher.providers.responses import (
    check_signature,
    form_fields,
    json_object,
    outcome_by_status,
    poll_response,
    retry_after,
    text_field,
)
from dispatcher.providers.validity import SECOND, time_left

MAX_VALIDITY: Final = timedelta(hours=10)
"""How long Twilio keeps a message in its queue at most; at least a second."""

_PORTS: Final = {"http": 80, "https": 443}


class TwilioFailure(NamedTuple):
    """
    The failure of an error code: the message's status, and a description without its number or text.

    `is_deferred` marks a refusal for now, or of our account. As a response it is
    deferred and ends as 39 if nobody corrects it; in a receipt it is 39 at once.
    `of_account` marks one of our account.
    """

    status: Status
    description: str
    is_deferred: bool = False
    opted_out: bool = False
    of_account: bool = False


_GROUPS: Final[Sequence[tuple[TwilioFailure, str]]] = (
    (TwilioFailure(Status.BLOCKED, "the number has opted out", opted_out=True), "21610"),
    (
        TwilioFailure(Status.INVALID_NUMBER, "not a number that takes messages"),
        # Invalid; a short code; a premium number; no mobile; a landline; unknown, landline or wrong.
        "21211 21217 21265 21268 21614 21635 30005 30006 30014",
    ),
    (
        TwilioFailure(Status.BLOCKED, "blocked or filtered"),
        # By the recipient or the carrier; as unwanted; as a one-time password; as a loop; as fraud.
        "30004 30007 30038 30039 30450",
    ),
    (TwilioFailure(Status.UNREACHABLE, "the handset cannot be reached"), "30003"),
    (TwilioFailure(Status.TOO_LATE, "its validity ended in the queue"), "30036"),
    (
        TwilioFailure(Status.GAVE_UP, "too much at a time", is_deferred=True),
        # Requests and queues that are full; maintenance; congestion; limits of the moment or the day.
        "14107 20429 21611 21730 30001 30017 30022 30023 30027 30454 63038",
    ),
    (
        TwilioFailure(
            Status.GAVE_UP, "our account or its set-up is refused", is_deferred=True, of_account=True
        ),
        # Not active, wrong credentials, no such account, wrong callback; a Messaging Service that is
        # gone, closed or without numbers; suspended; a campaign suspended; sending switched off.
        "10001 20003 20404 21609 21626 21701 21702 21703 21704 21705 30002 30033 30037",
    ),
    (
        TwilioFailure(Status.FAILED, "the sender cannot send there"),
        # Not valid, not ours, not verified, not able to, not registered, or not for that country.
        "21212 21264 21266 21267 21408 21601 21603 21606 21607 21608 21612 21616 21657 21659 21660 "
        "21661 21662 21663 21668 21708 21709 21711 21712 21715 30018 30024 30032 30034 30035 30040 "
        "30041 30042 30043",
    ),
    (
        TwilioFailure(Status.FAILED, "the message was refused"),
        # No text or number, too long, cannot be sent; its validity, price or channel; a carrier's limits.
        "21602 21604 21605 21617 21618 21619 21624 21658 30010 30011 30012 30013 30015 30016 30019 30028 "
        "30044 30045 30400",
    ),
    (
        TwilioFailure(Status.FAILED, "not delivered"),
        # Unknown; a part missing; faults of Twilio's own; time-out; not confirmed; not delivered.
        "30008 30009 30020 30021 30046 30410 30453 30485 30500",
    ),
)

ERROR_CODES: Final[Mapping[str, TwilioFailure]] = {
    code: failure for failure, codes in _GROUPS for code in codes.split()
}
"""The codes that can concern a text message. Another code counts by its HTTP status, or as 38."""

MESSAGE_STATUSES: Final[Mapping[str, Status | None]] = {
    "accepted": None,
    "scheduled": None,
    "queued": None,
    "sending": None,
    "sent": None,
    "delivered": Status.RECEIVED,
    "read": Status.RECEIVED,
    "partially_delivered": None,
    "undelivered": Status.FAILED,
    "failed": Status.FAILED,
    "canceled": Status.FAILED,
}
"""The statuses of a message that we sent. The error code of a failed one says more."""


class TwilioOptions(PluginOptions):
    """All options of one `twilio` provider."""

    url: Url = "https://api.twilio.com"
    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    auth_token: Secret | None = None
    api_key: Annotated[str, Field(pattern=r"^SK[0-9a-fA-F]{32}$")] | None = None
    api_secret: Secret | None = None
    messaging_service_sid: Annotated[str, Field(pattern=r"^MG[0-9a-fA-F]{32}$")] | None = None
    receipt_url: Url | None = None

    @model_validator(mode="after")
    def _can_sign_in(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("api_key and api_secret belong together")
        if self.api_key is None and self.auth_token is None:
            raise ValueError("set auth_token, or api_key and api_secret")
        if self.receipt_url is not None and self.auth_token is None:
            raise ValueError("receipt_url needs auth_token: Twilio signs receipts with it")
        return self

    def authorization(self) -> str:
        """Return the Authorization header, with the API key if there is one: it can be revoked by itself."""
        if self.api_key is not None and self.api_secret is not None:
            return basic_auth(self.api_key, self.api_secret)
        assert self.auth_token is not None
        return basic_auth(self.account_sid, self.auth_token)


class Twilio(HttpPlugin):
    """One message per request; receipts by webhook or poll, messages of handsets by webhook."""

    def __init__(
        self,
        config: ProviderConfig,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._options = options = read_options(TwilioOptions, config)
        headers = {"Authorization": options.authorization()}
        super().__init__(config, options, headers=headers, transport=transport)
        self._now = now
        self._receipt_url = (options.receipt_url or config.receipt_url) if options.auth_token else None
        self._messages = f"{options.url}/2010-04-01/Accounts/{options.account_sid}/Messages"
        self._url = httpx.URL(f"{self._messages}.json")

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        """Verify and read a status callback or an inbound message. Raises BadSignature or BadReceipt."""
        query = request.url.partition("?")[2]
        form = form_fields(request.body) if request.method == "POST" else []
        self._verify(request, query, form)
        own = dict(parse_qsl(query, keep_blank_values=True))
        fields: dict[str, object] = {**own, **dict(form)}
        ref = text_field(fields, "MessageSid")
        if not ref:
            raise BadReceipt("the receipt has no MessageSid")
        if "MessageStatus" in fields:
            word, code = text_field(fields, "MessageStatus"), text_field(fields, "ErrorCode")
            return [_report(ref, own.get("reference"), word, code)]
        if media := [InboundData("media", ref)] if text_field(fields, "NumMedia").strip("0") else []:
            return [_inbound(ref, fields), *media] if text_field(fields, "Body") else media
        if "Body" in fields:
            return [_inbound(ref, fields)]
        raise BadReceipt("the receipt has neither MessageStatus nor Body")

    async def poll(self, refs: Sequence[str]) -> Sequence[ReceiptReport]:
        """Return the reports of these messages, polled by SID. Raises Unavailable."""
        return await poll_concurrently(refs, self._poll_one)

    def _build_request(self, message: Outgoing) -> httpx.Request:
        left = time_left(message.not_after, now=self._now(), longest=MAX_VALIDITY)
        fields = {
            "To": message.to,
            "From": message.sender,
            "MessagingServiceSid": self._options.messaging_service_sid,
            "Body": message.text,
            "ValidityPeriod": str(left // SECOND),
            "StatusCallback": self._callback(message.reference),
        }
        body = urlencode({name: value for name, value in fields.items() if value is not None})
        return self._post(message, self._url, content_type=FORM_CONTENT_TYPE, body=body.encode())

    def _outcome(self, message: Outgoing, response: httpx.Response) -> Outcome:
        document = json_object(response.content)
        if response.is_success:
            ref = text_field(document, "sid")
            return Accepted((ref,)) if ref else Unknown(f"HTTP {response.status_code}, but no SID")
        code = text_field(document, "code")
        failure = ERROR_CODES.get(code)
        if failure is None or not response.is_client_error:
            return outcome_by_status(response)
        reason = f"{code}: {failure.description}"
        if failure.is_deferred:
            return Deferred(reason, retry_after(response), of_account=failure.of_account)
        return Rejected(failure.status, reason, opted_out=failure.opted_out)

    def _callback(self, reference: str) -> str | None:
        """Return the URL for this message's receipts. It has our reference, for which Twilio has no field."""
        return self._receipt_url and f"{self._receipt_url}?reference={quote(reference, safe='')}"

    def _verify(self, request: ReceiptRequest, query: str, form: Sequence[tuple[str, str]]) -> None:
        """
        Raise BadSignature unless X-Twilio-Signature signs the called URL and the form's fields by name.

        The URL is built from `receipt_url`, because a proxy may have changed the
        one that we see. Twilio may sign it with or without the port.
        """
        token, url = self._options.auth_token, self._receipt_url
        if token is None or url is None:
            raise BadReceipt("this provider has no receipts; set receipt_url and auth_token in its options")
        called = [f"{base}?{query}" if query else base for base in _with_and_without_port(url)]
        fields = "".join(name + value for name, value in sorted(set(form)))
        shown = request.headers.get("x-twilio-signature", "")
        check_signature(shown, *(_signed(token.get_secret_value(), one + fields) for one in called))

    async def _poll_one(self, ref: str) -> ReceiptReport | None:
        response = await self._get(f"{self._messages}/{quote(ref, safe='')}.json")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None  # deleted there
        document = poll_response(response)
        return _report(ref, None, text_field(document, "status"), text_field(document, "error_code"))


def _report(ref: str, reference: str | None, word: str, code: str) -> ReceiptReport:
    status = MESSAGE_STATUSES.get(word)
    failure = ERROR_CODES.get(code)
    if status is not Status.FAILED or failure is None:
        return ReceiptReport(ref, reference, status, f"{word}: {code}" if code else word)
    reason = f"{word}: {code}: {failure.description}"
    return ReceiptReport(ref, reference, failure.status, reason, opted_out=failure.opted_out)


def _inbound(ref: str, fields: Mapping[str, object]) -> Inbound:
    """Return an inbound message; a keyword that Advanced Opt-Out recognized has Twilio's word as its text."""
    text = text_field(fields, "OptOutType") or text_field(fields, "Body")
    return Inbound(text_field(fields, "From"), text_field(fields, "To"), text, ref=ref)


def _signed(token: str, text: str) -> str:
    return b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


def _with_and_without_port(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}")
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return parts._replace(netloc=host).geturl(), parts._replace(netloc=f"{host}:{port}").geturl()
