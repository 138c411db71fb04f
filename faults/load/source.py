"""What all streams share: the client, the credentials, the numbers, and the journal's entries."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx

from faults.load.client import CarefulClient

_PREFIXES = {
    "otp": "+25470",
    "scheduler": "+25471",
    "smsgate": "+25472",
    "managed": "+25479",
    "campaign": "+25474",
}
_SPECIAL = ("30", "38", "41", "43", "46", "47", "48", "51", "52", "53", "55")
"""Endings of the sandbox's special numbers: rejections, odd receipts, and doubt."""


class Source:
    """The origin of a load: each message has a number of its own, which nobody else writes to."""

    def __init__(
        self, client: CarefulClient, *, credentials: Mapping[str, Any], callback_url: str, seed: int
    ) -> None:
        self.client, self.credentials, self.callback_url, self.seed = client, credentials, callback_url, seed
        self._ids = count(1)
        self._rngs = {stream: random.Random(f"{seed} {stream}") for stream in _PREFIXES}

    def rng(self, stream: str) -> random.Random:
        """Return the random numbers of a stream."""
        return self._rngs[stream]

    def number(self, stream: str) -> str:
        """Return a new number that is delivered."""
        number = next(self._ids)
        return f"{_PREFIXES[stream]}{number:07}"

    def special(self, stream: str) -> str:
        """Return a new number with a special ending."""
        return f"+254{next(self._ids):06}9900{self.rng(stream).choice(_SPECIAL)}"

    async def submit(
        self,
        path: str,
        body: object,
        *,
        stream: str,
        tier: str,
        texts: Mapping[str, str],
        headers: Mapping[str, str],
        window: tuple[float, float] = (0.0, float("inf")),
        callback: str = "",
        events: Mapping[int, str] | None = None,
    ) -> httpx.Response | None:
        """Write the request to the journal, send it, and write its answer; return it if it is accepted."""
        journal, numbers = self.client.journal, list(texts)
        key = f"{self.seed}-{stream}-{numbers[0]}"
        start, end = window
        asked = journal.write(
            "submit",
            stream=stream, tier=tier, numbers=numbers, texts=dict(texts), key=key,
            not_before=start, not_after=None if end == float("inf") else end,
            callback=callback, events=dict(events or {}),
        )  # fmt: skip
        answer = await self.client.ask("POST", path, body=body, headers=headers, key=key)
        if answer is None:
            journal.write("unknown", stream=stream, numbers=numbers)
            return None
        if answer.is_success:
            journal.write("accepted", stream=stream, numbers=numbers, asked=asked)
            return answer
        late = answer.status_code == httpx.codes.BAD_REQUEST and self.now() >= (start or end)
        journal.write(
            "too late" if late else "refused",
            stream=stream, numbers=numbers, status=answer.status_code, body=answer.text[:300],
        )  # fmt: skip
        return None

    def now(self) -> float:
        """Return the time in epoch seconds."""
        return datetime.now(UTC).timestamp()


def iso(at: float) -> str:
    """Return a time in ISO 8601, to the millisecond, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
