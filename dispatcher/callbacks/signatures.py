"""How a producer can tell that a callback is ours: two signature schemes over the body and the time."""

import hashlib
import hmac
from datetime import UTC, datetime
from math import floor

from standardwebhooks import Webhook

_PREFIX = "whsec_"


def standard_webhook(secret: str, *, id: str, at: datetime, body: bytes) -> dict[str, str]:  # noqa: A002 - the scheme's word
    """
    Give the headers of Standard Webhooks (standardwebhooks.com), signature v1.

    `secret` is whsec_ and base64, `id` the event's, the same in every try. The
    body is UTF-8. ValueError if the secret is not base64 or `at` has no zone.
    """
    _require_zone(at)
    signature = Webhook(secret).sign(id, at.astimezone(UTC), body.decode())  # it takes any zone for UTC
    return {
        "webhook-id": id,
        "webhook-timestamp": _unix(at),
        "webhook-signature": signature,
    }


def timestamped(secret: str, *, at: datetime, body: bytes) -> dict[str, str]:
    """
    Give X-Timestamp, in Unix seconds, and X-Signature, the hex HMAC-SHA256 of the body and that text.

    The key is the secret as it stands, in UTF-8. ValueError if `at` has no zone.
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
