"""Signatures that prove a callback is ours: two schemes, both over the body and the time."""

import hashlib
import hmac
from datetime import UTC, datetime
from math import floor

from standardwebhooks import Webhook

_PREFIX = "whsec_"


def standard_webhook(
    secret: str,
    *,
    id: str,  # noqa: A002 - the scheme's word
    at: datetime,
    body: bytes,
    previous: str | None = None,
) -> dict[str, str]:
    """
    Return the headers of Standard Webhooks (standardwebhooks.com), signature v1.

    `secret` is whsec_ and base64, `id` the event's, the same in every try. The
    body is UTF-8. With the secret that was valid before, `previous`, there are
    two signatures, of which a receiver accepts either. Raises ValueError if a
    secret is not base64 or `at` has no time zone.
    """
    _require_zone(at)
    text, utc = body.decode(), at.astimezone(UTC)  # the library ignores the zone
    secrets = [secret] if previous is None else [secret, previous]
    return {
        "webhook-id": id,
        "webhook-timestamp": _unix(at),
        "webhook-signature": " ".join(Webhook(one).sign(id, utc, text) for one in secrets),
    }


def timestamped(secret: str, *, at: datetime, body: bytes, previous: str | None = None) -> dict[str, str]:
    """
    Return X-Timestamp, in Unix seconds, and X-Signature, the hex HMAC-SHA256 of the body and that text.

    The key is the whole secret, in UTF-8. The scheme has one signature: while
    `previous` is valid, X-Signature is made with it, and X-Signature-Next with
    the new secret. Raises ValueError if `at` has no time zone.
    """
    _require_zone(at)
    timestamp = _unix(at)
    signed = body + timestamp.encode()
    if previous is None:
        return {"X-Timestamp": timestamp, "X-Signature": _hex(secret, signed)}
    return {
        "X-Timestamp": timestamp,
        "X-Signature": _hex(previous, signed),
        "X-Signature-Next": _hex(secret, signed),
    }


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _unix(at: datetime) -> str:
    return str(floor(at.timestamp()))


def _require_zone(at: datetime) -> None:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
