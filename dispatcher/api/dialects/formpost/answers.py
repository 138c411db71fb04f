"""How an answer of this dialect looks on the wire."""

import math
from collections.abc import Mapping
from datetime import datetime

from dispatcher.api.door import Json
from dispatcher.domain.quota import Quota


class Plain(Json):
    """JSON whose content type has no charset, as in the document."""

    media_type = "application/json"


def headers(quota: Quota, now: datetime) -> Mapping[str, str]:
    """
    Give what every answer carries.

    The reset, in seconds since 1970, is told by one that comes with nothing
    left, as Laravel does.
    """
    told = {
        "cache-control": "no-cache, private",
        "access-control-allow-origin": "*",
        "x-ratelimit-limit": str(quota.limit),
        "x-ratelimit-remaining": str(quota.remaining),
    }
    if quota.retry_after is not None:
        told["x-ratelimit-reset"] = str(math.ceil((now + quota.retry_after).timestamp()))
    return told
