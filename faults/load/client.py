"""A careful client: it repeats a request with its idempotency key until it knows the answer."""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from typing import Any

import httpx

from faults.journal import Journal

_TIMEOUT = 8.0
_DROPPED_AFTER = 0.01
_DROPPED_SHARE = 0.05
_PAUSE = 0.25
_REPEAT = frozenset({409, 429, 500, 502, 503, 504})


class CarefulClient:
    """
    Sends requests to the API until each has a final answer, or `end` has passed.

    Some connections are dropped on purpose before the answer can come.
    """

    def __init__(self, http: httpx.AsyncClient, journal: Journal, *, rng: random.Random, end: float) -> None:
        self._http, self.journal, self.rng, self.end = http, journal, rng, end

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str],
        key: str | None = None,
    ) -> httpx.Response | None:
        """Return the final answer; None if it never came."""
        content = None if body is None else json.dumps(body).encode()
        own = dict(headers) | ({"Idempotency-Key": key} if key else {})
        while time.time() < self.end:
            dropped = key is not None and self.rng.random() < _DROPPED_SHARE
            try:
                answer = await self._http.request(
                    method,
                    path,
                    content=content,
                    headers=own,
                    timeout=_DROPPED_AFTER if dropped else _TIMEOUT,
                )
            except httpx.HTTPError as error:
                if not dropped:
                    self.journal.write("no answer", path=path, key=key, error=type(error).__name__)
            else:
                if answer.status_code not in _REPEAT:
                    return answer
                if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
                    # It is repeated, and it is a defect all the same.
                    self.journal.write("refused", stream=path, status=500, body=answer.text[:300])
                if answer.status_code == httpx.codes.CONFLICT and key is None:
                    return answer
            await asyncio.sleep(_PAUSE)
        return None

    async def upload(self, path: str, content: bytes, *, headers: Mapping[str, str]) -> httpx.Response:
        """Post a file; return the answer."""
        return await self._http.post(path, content=content, headers=headers, timeout=60)


def bearer(token: str) -> Mapping[str, str]:
    """Return the headers of JSON with this token."""
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def words(answer: httpx.Response) -> dict[str, Any]:
    """Return the object in an answer; empty if it is none."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
