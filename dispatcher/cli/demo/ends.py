"""How the demo's messages ended, and how exactly they kept their times."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from dispatcher.cli.demo.groups import Group
from dispatcher.domain.status import Status
from dispatcher.service import report
from dispatcher.service.context import Context
from dispatcher.service.report import History


@dataclass(frozen=True, slots=True)
class Outcome:
    """One group's end: how many ended as they should, and one that did not."""

    group: Group
    good: int
    bad: History | None


@dataclass(frozen=True, slots=True)
class Lags:
    """Milliseconds after not_before, of each scheduled message."""

    release: Sequence[float]
    sent: Sequence[float]


def judge(group: Group, histories: Sequence[History]) -> Outcome:
    """Hold a group's messages against how they must end."""
    bad = [history for history in histories if not _is_good(group, history)]
    return Outcome(group, len(histories) - len(bad), bad[0] if bad else None)


def has_ended(history: History) -> bool:
    """Tell whether nothing more is to come: final, or sent and noted that no receipt came."""
    status = history.detail.status
    return status.is_final or (status is Status.SENT and history.detail.wake_at is None)


async def read(ctx: Context, ids: Sequence[int]) -> list[History]:
    """Read the messages whole."""
    return [await report.history(ctx, str(message_id)) for message_id in ids]


async def lags(sandbox_url: str, scheduled: Sequence[History]) -> Lags:
    """Measure release by our events, and the sending by when the sandbox had the request."""
    received = await _received(sandbox_url)
    release, sent = [], []
    for history in scheduled:
        due = history.detail.not_before
        released = next(event.at for event in history.events if event.status is Status.PENDING)
        release.append((released - due).total_seconds() * 1000)
        sent.append((received[str(history.detail.public_id)] - due.timestamp()) * 1000)
    return Lags(release, sent)


def spread(values: Sequence[float]) -> str:
    """Write the median and the extremes."""
    return f"median {statistics.median(values):.0f} ms, {min(values):.0f} to {max(values):.0f} ms"


async def stats(sandbox_url: str) -> Mapping[str, int]:
    """Ask the sandbox for its counts."""
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as client:
        counts: Mapping[str, int] = (await client.get("/stats")).json()
    return counts


async def _received(sandbox_url: str) -> Mapping[str, float]:
    async with httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as client:
        rows = (await client.get("/messages", params={"limit": 10_000})).json()
    return {row["reference"]: min(row["received_at"]) for row in rows if row["received_at"]}


def _is_good(group: Group, history: History) -> bool:
    detail = history.detail
    return detail.status in group.ends and group.reason in detail.reason
