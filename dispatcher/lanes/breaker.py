"""
The providers' circuit breakers, shared by all processes: counts and states in Redis.

Redis only stores them. A process that reports counts decides by
`domain.routing.breaker` whether a breaker moves, and moves it only from the
version that it has read, so each move is made once. All times are those of Redis.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dispatcher.domain.routing.breaker import WINDOW, BreakerState, CallCounts, CallTally, read_counts
from dispatcher.domain.routing.provider_state import BreakerPhase
from dispatcher.lanes.refusals import Refusals

_BUCKETS = 5
_SCRIPT = files("dispatcher.lanes").joinpath("breaker.lua").read_text(encoding="utf-8")
_OVERRIDES = "sms:orders"
_NO_COUNTS = [0] * CallTally.WIDE


@dataclass(frozen=True, slots=True)
class BreakerMove:
    """A move of a breaker from the version that was read; ignored if another process was faster."""

    version: int
    to: BreakerState


@dataclass(frozen=True, slots=True)
class KnownBreaker:
    """The breaker of one provider and its counts; `moved` means that this call moved it."""

    version: int
    state: BreakerState
    moved: bool
    window: CallCounts


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """All breakers at one moment; `overrides_version` changes with each override of an operator."""

    now: datetime
    overrides_version: int
    known: Mapping[str, KnownBreaker]


class Breakers:
    """Reports counts, and reads all breakers in one round trip. `refusals` has the last ones of providers."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self.refusals = Refusals(redis)
        self._script = redis.register_script(_SCRIPT)

    async def exchange(
        self,
        providers: Sequence[str],
        counts: Mapping[str, Sequence[int]],
        moves: Mapping[str, BreakerMove] | None = None,
    ) -> BreakerSnapshot | None:
        """Report counts and moves, and return the state of all breakers; None while Redis is unavailable."""
        keys = [key for name in providers for key in (_breaker(name), _history(name))]
        arguments: list[int | str] = [
            WINDOW // _BUCKETS // timedelta(milliseconds=1),
            _BUCKETS,
            CallTally.WIDE,
        ]
        for name in providers:
            move = (moves or {}).get(name)
            arguments += counts.get(name, _NO_COUNTS)
            arguments += (0, "") if move is None else (move.version, _write(move.to))
        try:
            now, overrides, *rest = await self._script(keys=[*keys, _OVERRIDES], args=arguments)
        except (RedisError, OSError):
            return None
        at = datetime.fromtimestamp(now / 1000, UTC)
        each = zip(providers, rest[::4], rest[1::4], rest[2::4], rest[3::4], strict=True)
        known = {
            name: KnownBreaker(
                int(version),
                _read(state) if state else BreakerState(BreakerPhase.CLOSED, at, ""),
                bool(moved),
                read_counts([int(number) for number in sums.split()]),
            )
            for name, version, state, moved, sums in each
        }
        return BreakerSnapshot(at, int(overrides), known)

    async def announce_override(self) -> None:
        """Make all processes read the operators' overrides again; without Redis they do so by themselves."""
        try:
            await self._redis.incr(_OVERRIDES)
        except (RedisError, OSError):
            return

    async def history(self, provider: str) -> list[BreakerState]:
        """Return the last moves of a breaker, the newest first; none while Redis is unavailable."""
        try:
            return [_read(raw) for raw in await self._redis.lrange(_history(provider), 0, -1)]
        except (RedisError, OSError):
            return []


def _breaker(provider: str) -> str:
    return f"sms:breaker:{provider}"


def _history(provider: str) -> str:
    return f"sms:breaker:{provider}:story"


def _write(state: BreakerState) -> str:
    until = state.until and state.until.isoformat()
    values = [state.breaker, state.since.isoformat(), state.cause, until, state.opened]
    return json.dumps(values)


def _read(raw: bytes | str) -> BreakerState:
    breaker, since, cause, until, opened = json.loads(raw)
    end = until and datetime.fromisoformat(until)
    return BreakerState(BreakerPhase(breaker), datetime.fromisoformat(since), cause, end, opened)
