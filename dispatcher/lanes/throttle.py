"""
How fast a provider may be used, over all processes: GCRA in Redis, counted in segments.

Lower tiers draw from smaller buckets nested in the provider's own, so a part
of the rate is always left to critical. A weakness of GCRA here: a message of
several segments is let through on an empty bucket and paid for afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dispatcher.domain.tier import PACE, Tier

log = structlog.get_logger()

HORIZON = timedelta(milliseconds=250)
_TOLERANCE_US = 20_000
_WITHOUT_REDIS = timedelta(seconds=1)
_SCRIPT = files("dispatcher.lanes").joinpath("throttle.lua").read_text(encoding="utf-8")

# Who draws from which bucket: a tier from its own and from all that it is nested in.
_BUCKETS = {
    Tier.CRITICAL: (Tier.CRITICAL,),
    Tier.STANDARD: (Tier.CRITICAL, Tier.STANDARD),
    Tier.BULK: (Tier.CRITICAL, Tier.STANDARD, Tier.BULK),
}


@dataclass(frozen=True, slots=True)
class Token:
    """When a message's token is there. Not `taken`: too far away, come back then."""

    wait: timedelta
    taken: bool


class Throttle:
    """Asks for the tokens of a whole chunk in one round trip."""

    def __init__(self, redis: "Redis") -> None:
        self._script = redis.register_script(_SCRIPT)

    async def take(self, provider: str, tier: Tier, *, tps: float, costs: Sequence[int]) -> list[Token]:
        """
        Take a token for each message in order, as far as they are there within HORIZON.

        `tps` and `costs` are in segments. Without Redis nothing is taken and
        all are told to come back in a second.
        """
        keys = [f"sms:throttle:{provider}:{bucket.value}" for bucket in _BUCKETS[tier]]
        arguments: list[float] = [HORIZON / timedelta(microseconds=1)]
        for bucket in _BUCKETS[tier]:
            arguments += [tps * PACE[bucket].share, _tolerance(tier)]
        try:
            waits = await self._script(keys=keys, args=[*arguments, *costs])
        except (RedisError, OSError) as error:
            log.warning("throttle_not_reached", provider=provider, error=str(error))
            return [Token(_WITHOUT_REDIS, taken=False) for _ in costs]
        return [_token(wait) for wait in waits]


def _tolerance(tier: Tier) -> float:
    """Let a higher tier pass what lower ones have reserved ahead of time in a shared bucket."""
    below = len(Tier) - 1 - list(Tier).index(tier)
    return _TOLERANCE_US + (HORIZON / timedelta(microseconds=1)) * below


def _token(wait: int) -> Token:
    if wait >= 0:
        return Token(timedelta(microseconds=wait), taken=True)
    return Token(timedelta(microseconds=-wait - 1), taken=False)
