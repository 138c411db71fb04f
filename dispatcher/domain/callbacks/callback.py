"""A callback: one POST to a producer's URL, and its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """One HTTP POST to a producer's URL."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CallbackReply:
    """
    The result of a call.

    `status` None means that there was no HTTP response. `reason` is a short
    text for people. `refused` means that the URL may not be called, so that a
    retry is useless.
    """

    status: int | None
    reason: str
    retry_after: timedelta | None = None
    refused: bool = False


class Poster(Protocol):
    """Makes calls. A network fault is a CallbackReply; an exception is a bug."""

    async def post(self, call: CallbackRequest) -> CallbackReply: ...  # noqa: D102 - see the class

    async def close(self) -> None: ...  # noqa: D102
