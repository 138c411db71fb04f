"""How a response of this dialect looks on the wire."""

import math
from collections.abc import Mapping
from datetime import datetime

from dispatcher.api.request_body import Json
from dispatcher.domain.accounts.rate_limit import RateLimitStatus


class Plain(Json):
    """JSON whose content type has no charset, as in the document."""

    media_type = "application/json"


def headers(quota: RateLimitStatus, now: datetime) -> Mapping[str, str]:
    """
    Return the headers of every response.

    The reset, in seconds since 1970, is in a response only when nothing is left, as
    with Laravel.
    """
    found = {
        "cache-control": "no-cache, private",
        "access-control-allow-origin": "*",
        "x-ratelimit-limit": str(quota.limit),
        "x-ratelimit-remaining": str(quota.remaining),
    }
    if quota.retry_after is not None:
        found["x-ratelimit-reset"] = str(math.ceil((now + quota.retry_after).timestamp()))
    return found
