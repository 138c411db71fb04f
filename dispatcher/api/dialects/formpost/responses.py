"""The content type and headers of this dialect's responses."""

import math
from collections.abc import Mapping
from datetime import datetime

from dispatcher.api.request_body import Json
from dispatcher.domain.accounts.rate_limit import RateLimitStatus


class JsonWithoutCharset(Json):
    """JSON whose content type has no charset, as in the document."""

    media_type = "application/json"


def quota_headers(quota: RateLimitStatus, now: datetime) -> Mapping[str, str]:
    """
    Return the headers of every response.

    As with Laravel, `x-ratelimit-reset`, in seconds since 1970, is present only if no
    request is left.
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
