"""
Failures of threads, background tasks and plug-ins: each process notes its own; Redis keeps them for an hour.

Only the type of an error and the line that raised it are kept: its message may
contain a phone number or a text.
"""

import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

_NAMES = "sms:failures"
_KEEP_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """A thread, a background task or a part of it that has failed: where, how often, and its latest error."""

    process: str
    task: str
    count: int  # since the last hour without a failure
    error: str

    def __str__(self) -> str:
        """Return a sentence for operators."""
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"{self.task} of {self.process} has failed {times}: {self.error}"


class FailureLog:
    """Notes the failures of one process, and reads those of all processes."""

    def __init__(self, redis: "Redis", *, process: str) -> None:
        self._redis = redis
        self._process = process
        self._noted: deque[tuple[str, str]] = deque(maxlen=1000)

    def note(self, task: str, error: BaseException) -> None:
        """Note a failure, in any thread; `write` sends it to Redis."""
        self._noted.append((task, _described(error)))

    async def write(self) -> None:
        """Write the failures noted so far to Redis; while Redis is unavailable they stay noted."""
        while self._noted:
            task, error = self._noted[0]
            name = f"{self._process}/{task}"
            try:
                async with self._redis.pipeline() as pipe:
                    pipe.sadd(_NAMES, name)
                    pipe.hincrby(_key(name), "count", 1)
                    pipe.hset(_key(name), "error", error)
                    pipe.expire(_key(name), _KEEP_SECONDS)
                    await pipe.execute()
            except (RedisError, OSError):
                return
            self._noted.popleft()

    async def recent(self) -> Sequence[TaskFailure] | None:
        """Return the failures of the last hour in all processes; None while Redis is unavailable."""
        try:
            members = await self._redis.smembers(_NAMES)
            names = sorted(name if isinstance(name, str) else name.decode() for name in members)
            async with self._redis.pipeline() as pipe:
                for name in names:
                    pipe.hgetall(_key(name))
                found = await pipe.execute()
        except (RedisError, OSError):
            return None
        return [_read(name, kept) for name, kept in zip(names, found, strict=True) if kept]


def _key(name: str) -> str:
    return f"sms:failure:{name}"


def _read(name: str, kept: Mapping[bytes, bytes]) -> TaskFailure:
    process, _, task = name.partition("/")
    return TaskFailure(process, task, int(kept[b"count"]), kept[b"error"].decode())


def _described(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
