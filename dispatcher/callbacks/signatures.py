"""Signatures that prove a callback is ours: two schemes, both over the body and the time."""

import hashlib
import hmac
from datetime import UTC, datetime
from math import floor

from standardwebhooks import Webhook

_PREFIX = "whsec_"


def standard_webhook(secret: str, *, id: str, at: datetime, body: bytes) -> dict[str, str]:  # noqa: A002 - the scheme's word
    """
    Return the headers of Standard Webhooks (standardwebhooks.com), signature v1.

    `secret` is whsec_ and base64, `id` the event's, the same in every try. The
    body is UTF-8. Raises ValueError if the secret is not base64 or `at` has no
    time zone.
    """
    _require_zone(at)
    signature = Webhook(secret).sign(id, at.astimezone(UTC), body.decode())  # it ignores the zone
    return {
        "webhook-id": id,
        "webhook-timestamp": _unix(at),
        "webhook-signature": signature,
    }


def timestamped(secret: str, *, at: datetime, body: bytes) -> dict[str, str]:
    """
    Return X-Timestamp, in Unix seconds, and X-Signature, the hex HMAC-SHA256 of the body and that text.

    The key is the whole secret, in UTF-8. Raises ValueError if `at` has no time zone.
    """
    _require_zone(at)
    timestamp = _unix(at)
    signature = hmac.new(secret.encode(), body + timestamp.encode(), hashlib.sha256).hexdigest()
    return {"X-Timestamp": timestamp, "X-Signature": signature}


def _unix(at: datetime) -> str:
    return str(floor(at.timestamp()))


def _require_zone(at: datetime) -> None:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
