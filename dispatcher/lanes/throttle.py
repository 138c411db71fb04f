"""
Rate limits of providers in segments a second, across all processes: GCRA in Redis.

Lower tiers draw from smaller buckets nested in the provider's own, so a part
of the rate is always left for critical. A sender ID with its own rate has such
buckets too, and its messages need a token from both. Known limit: a message of
several segments passes a bucket that has room for one, and the next ones wait
for the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from itertools import groupby
from typing import NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dispatcher.domain.tier import TIER_LIMITS, Tier

log = structlog.get_logger()

HORIZON = timedelta(milliseconds=250)
ANY_SENDER = "*"
_MICROSECOND = timedelta(microseconds=1)
_TOLERANCE_US = 20_000
_WITHOUT_REDIS = timedelta(seconds=1)
_SCRIPT = files("dispatcher.lanes").joinpath("throttle.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Bucket:
    """A bucket that a tier draws from: its share of the rate, and how many microseconds it may run ahead."""

    name: str
    share: float
    tolerance: float


def _buckets(tier: Tier) -> Sequence[_Bucket]:
    """
    Return the tier's own bucket, and those that it shares with lower tiers.

    In the shared buckets it passes tokens that lower tiers have reserved ahead
    of time; in its own it does not, so that no rate is exceeded.
    """
    tiers = list(Tier)
    place = tiers.index(tier)
    ahead = _TOLERANCE_US + (HORIZON / _MICROSECOND) * (len(tiers) - 1 - place)
    shared = [_Bucket(above.value, TIER_LIMITS[above].share, ahead) for above in tiers[: place + 1]]
    if tier is tiers[-1]:
        return shared
    return [*shared, _Bucket(f"{tier.value}:own", TIER_LIMITS[tier].share, _TOLERANCE_US)]


_BUCKETS = {tier: _buckets(tier) for tier in Tier}


class TokenCost(NamedTuple):
    """The cost of a message in segments, and its sender ID, whose own rate may apply."""

    segments: int
    sender: str | None


@dataclass(frozen=True, slots=True)
class Token:
    """When the token of a message is due. If it is not `taken`, it is too far ahead: ask again then."""

    wait: timedelta
    taken: bool


class Throttle:
    """Takes the tokens of many messages in one round trip."""

    def __init__(self, redis: "Redis") -> None:
        self._script = redis.register_script(_SCRIPT)

    async def take(
        self,
        provider: str,
        tier: Tier,
        *,
        tps: float,
        wanted: Sequence[TokenCost],
        sender_tps: Mapping[str, float],
    ) -> list[Token]:
        """
        Return a token for each message, in order; those due within HORIZON are taken.

        `sender_tps` has the rate of each sender ID, and under ANY_SENDER that
        of every other one; rates are in segments a second. Without Redis no
        token is taken, and each is due in a second.
        """
        limited = _limited((sender for _, sender in wanted), sender_tps) if sender_tps else {}
        group = {sender: number for number, sender in enumerate(limited, 1)}
        names = [provider, *(f"{provider}:{sender}" for sender in limited)]
        buckets = _BUCKETS[tier]
        keys = [f"sms:throttle:{name}:{bucket.name}" for name in names for bucket in buckets]
        arguments: list[float] = [HORIZON / _MICROSECOND, len(buckets)]
        for rate in (tps, *limited.values()):
            for bucket in buckets:
                arguments += (rate * bucket.share, bucket.tolerance)
        alike = groupby((cost, group.get(sender, 0) if sender else 0) for cost, sender in wanted)
        for (cost, its_group), some in alike:
            arguments += (sum(1 for _ in some), cost, its_group)
        try:
            waits: bytes = await self._script(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            log.warning("throttle_not_reached", provider=provider, error=str(error))
            return [Token(_WITHOUT_REDIS, taken=False) for _ in wanted]
        return [_token(int(wait)) for wait in waits.split()]


def _limited(senders: Iterable[str | None], sender_tps: Mapping[str, float]) -> dict[str, float]:
    """Return the rates of the senders that have one, each sender once, in order."""
    any_other = sender_tps.get(ANY_SENDER)
    rates = {sender: sender_tps.get(sender, any_other) for sender in senders if sender is not None}
    return {sender: rate for sender, rate in rates.items() if rate is not None}


def _token(wait: int) -> Token:
    if wait >= 0:
        return Token(timedelta(microseconds=wait), taken=True)
    return Token(timedelta(microseconds=-wait - 1), taken=False)
