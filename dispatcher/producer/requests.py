"""The arguments of `Dispatcher.send`: as a submission, and as the fingerprint of a call."""

import hashlib
import json
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Invalid
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import (
    AcceptedBatch,
    AcceptedMessage,
    DuplicateNumbers,
    IdempotencyKey,
    InvalidNumbers,
    StoredResponse,
    Submission,
    WithoutCredit,
)
from dispatcher.domain.messages.trace import read_traceparent
from dispatcher.domain.messages.window import MAX_AHEAD, Window
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.producer.arguments import (
    is_number,
    optional,
    read_choice,
    read_numbers,
    read_tier,
    read_time,
    read_variables,
    required,
)
from dispatcher.service.context import Context

_NOT_IN_FINGERPRINT = {"numbers", "traceparent"}


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A submission without its account, the length of its window if it has one, and its idempotency key."""

    submission: Submission
    validity: timedelta | None
    key: str | None

    def __post_init__(self) -> None:
        if self.validity is None:
            return
        if self.submission.not_after is not None:
            raise Invalid("give either not_after or validity, not both")
        if not timedelta() < self.validity <= MAX_AHEAD:
            raise Invalid(f"validity is above zero, and at most {MAX_AHEAD.days} days, not {self.validity}")

    def submission_of(self, ctx: Context, caller: Caller) -> Submission:
        """Return the submission for an account; `validity` counts from now, or from `not_before`."""
        submission, now = self.submission, ctx.now()
        not_after = submission.not_after
        if self.validity is not None:
            not_after = max(submission.not_before or now, now) + self.validity
        numbers = NumberPolicy(
            default_country=caller.account.default_country,
            national=True,
            lenient=True,
            simulated=ctx.settings.simulated_numbers,
        )
        return replace(submission, numbers=numbers, not_after=not_after)

    def idempotency_key(self) -> IdempotencyKey | None:
        """Return the key with the fingerprint of this request. Raises Invalid for a key that is not valid."""
        if self.key is None:
            return None
        fingerprint = hashlib.sha256(json.dumps(self._given(), sort_keys=True, default=_plain).encode())
        return IdempotencyKey(self.key, fingerprint.digest(), write_batch)

    def _given(self) -> dict[str, object]:
        """Return the fields that are not left out: a field of a later version changes no fingerprint."""
        given: dict[str, object] = {} if self.validity is None else {"validity": self.validity}
        for field in fields(self.submission):
            value = getattr(self.submission, field.name)
            left_out = field.default if field.default is not MISSING else None
            if field.name not in _NOT_IN_FINGERPRINT and value != left_out and value != {}:
                given[field.name] = value
        return given


def read_request(
    to: object,
    *,
    text: object,
    template_id: object,
    variables: object,
    tier: object,
    sender: object,
    not_before: object,
    not_after: object,
    validity: object,
    idempotency_key: object,
    external_id: object,
    client_id: object,
    callback_url: object,
    invalid_numbers: object,
    repeats: object,
    without_credit: object,
    strip_diacritics: object,
    stop_mention: object,
    traceparent: object,
) -> SendRequest:
    """Return what the arguments of `Dispatcher.send` ask for. Raises TypeError and Invalid."""
    submission = Submission(
        recipients=read_numbers(to),
        text=optional("text", text, str) or "",
        numbers=NumberPolicy(),
        tier=read_tier(tier),
        sender_id=sender if is_number(sender) else None,
        sender_name=None if is_number(sender) else optional("sender", sender, str, int),
        template_id=optional("template_id", template_id, str),
        variables=read_variables(variables),
        not_before=read_time("not_before", not_before),
        not_after=read_time("not_after", not_after),
        strip_diacritics=required("strip_diacritics", strip_diacritics, bool),
        stop_mention=required("stop_mention", stop_mention, bool),
        without_credit=read_choice("without_credit", without_credit, WithoutCredit),
        invalid_numbers=read_choice("invalid_numbers", invalid_numbers, InvalidNumbers),
        duplicate_numbers=read_choice("repeats", repeats, DuplicateNumbers),
        external_id=optional("external_id", external_id, str),
        client_id=required("client_id", client_id, str),
        callback_url=optional("callback_url", callback_url, str),
        traceparent=_trace(optional("traceparent", traceparent, str)),
    )
    if (text is None) == (template_id is None):
        raise TypeError("give either text, or template_id with its variables")
    if variables is not None and template_id is None:
        raise TypeError("variables are those of a template: give template_id with them")
    if external_id == "":
        raise Invalid("external_id is empty: give an id, or leave it out")
    return SendRequest(
        submission,
        optional("validity", validity, timedelta),
        optional("idempotency_key", idempotency_key, str),
    )


def write_batch(batch: AcceptedBatch) -> StoredResponse:
    """Return an accepted batch as it is stored with its idempotency key."""
    stored = {
        "id": batch.id,
        "public_id": batch.public_id,
        "tier": batch.tier,
        "charged": batch.charged,
        "not_before": batch.window.not_before,
        "not_after": batch.window.not_after,
        "accepted_at": batch.accepted_at,
        "external_id": batch.external_id,
        "skipped": batch.skipped,
        "messages": [[m.id, m.public_id, m.number_as_given, m.status, m.number] for m in batch.messages],
    }
    return StoredResponse(200, {}, json.dumps(stored, default=_plain).encode())


def read_batch(response: StoredResponse) -> AcceptedBatch:
    """Return the accepted batch that was stored."""
    stored: dict[str, Any] = json.loads(response.body)
    return AcceptedBatch(
        id=stored["id"],
        public_id=UUID(stored["public_id"]),
        tier=Tier(stored["tier"]),
        messages=[
            AcceptedMessage(id_, UUID(public_id), given, Status(status), number)
            for id_, public_id, given, status, number in stored["messages"]
        ],
        charged=stored["charged"],
        window=Window(_time(stored["not_before"]), _time(stored["not_after"])),
        accepted_at=_time(stored["accepted_at"]),
        external_id=stored["external_id"],
        skipped=stored["skipped"],
    )


def _trace(header: str | None) -> str | None:
    """Return a traceparent. Raises Invalid."""
    if header is not None and read_traceparent(header) is None:
        raise Invalid(f"{header!r} is not a traceparent of W3C Trace Context: give one, or leave it out")
    return read_traceparent(header)


def _plain(value: object) -> object:
    """Return a value as JSON has it; times are in UTC, so that the zone of a repetition does not matter."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.name
    return str(value)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
