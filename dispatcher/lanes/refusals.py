"""The last refusal of each provider, shared by all processes: noted in memory, and written twice a second."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dispatcher.domain.delivery.provider import Outcome
from dispatcher.domain.delivery.refusal import Refusal, refusal_of

_LAST = "sms:refusals"
_ACCOUNT_SINCE = "sms:refusals:account"


class Refusals:
    """Notes the refusals of one process, and reads those of all."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._noted: dict[str, tuple[Outcome, str, str, datetime]] = {}
        self._cleared: set[str] = set()  # providers that have taken a message since they refused our account
        self._to_clear: set[str] = set()

    def note(self, provider: str, outcome: Outcome, *, number: str, text: str, at: datetime) -> None:
        """Note an outcome that is no acceptance; of several until the next `write`, the last counts."""
        self._noted[provider] = (outcome, number, text, at)
        self._cleared.discard(provider)

    def note_accepted(self, provider: str) -> None:
        """Note that a provider took a message: it does not refuse our account."""
        if provider not in self._cleared:
            self._cleared.add(provider)
            self._to_clear.add(provider)

    async def write(self) -> None:
        """Write what was noted to Redis; while Redis is unavailable it stays noted."""
        if not self._noted and not self._to_clear:
            return
        noted, cleared = dict(self._noted), set(self._to_clear)
        refusals = {
            provider: refusal
            for provider, (outcome, number, text, at) in noted.items()
            if (refusal := refusal_of(outcome, number=number, text=text, at=at)) is not None
        }
        try:
            async with self._redis.pipeline() as pipe:
                for provider in cleared:
                    pipe.hdel(_ACCOUNT_SINCE, provider)
                for provider, refusal in refusals.items():
                    pipe.hset(_LAST, provider, _written(refusal))
                    if refusal.of_account and provider not in self._cleared:
                        pipe.hsetnx(_ACCOUNT_SINCE, provider, refusal.at.isoformat())
                await pipe.execute()
        except (RedisError, OSError):
            return
        self._noted = {name: kept for name, kept in self._noted.items() if kept is not noted.get(name)}
        self._to_clear -= cleared

    async def read(self) -> Mapping[str, Refusal]:
        """
        Return the last refusal of each provider; none while Redis is unavailable.

        `since` is set as long as the provider refuses our account.
        """
        try:
            last = await self._redis.hgetall(_LAST)
            since = await self._redis.hgetall(_ACCOUNT_SINCE)
        except (RedisError, OSError):
            return {}
        return {_text(name): _read(raw, since.get(name)) for name, raw in last.items()}


def _written(refusal: Refusal) -> str:
    return json.dumps([refusal.outcome, refusal.words, refusal.at.isoformat(), refusal.of_account])


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()


def _read(raw: bytes | str, since: bytes | str | None) -> Refusal:
    outcome, words, at, of_account = json.loads(raw)
    found = Refusal(outcome, words, datetime.fromisoformat(at), of_account)
    if not of_account or since is None:
        return found
    return replace(found, since=datetime.fromisoformat(_text(since)))
