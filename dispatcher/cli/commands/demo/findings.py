"""What the demo's messages came to: expected against actual, how late, and what the network says it got."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from dispatcher.cli.commands.demo.groups import DemoGroup
from dispatcher.cli.commands.demo.traffic import DemoBatch
from dispatcher.domain.messages.status import Status
from dispatcher.service.context import Context
from dispatcher.service.messages import search
from dispatcher.service.messages.search import History

_CLOCK_ERROR = timedelta(milliseconds=20)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class SandboxArrival:
    """One message as the sandbox has it: when each submit came, and how many of them it took."""

    at: Sequence[datetime]
    taken: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """One message: its group, all that happened to it, and its arrival at the network, if any."""

    group: DemoGroup
    history: History
    arrival: SandboxArrival | None


async def read(ctx: Context, client: httpx.AsyncClient, batches: Sequence[DemoBatch]) -> Sequence[DemoResult]:
    """Read everything there is to know about the messages; `client` is one for the sandbox."""
    answer = await client.get("/messages", params={"limit": 10_000})
    answer.raise_for_status()
    arrivals = {message["reference"]: _arrival(message) for message in answer.json()}
    found = []
    for batch in batches:
        for message_id in batch.message_ids:
            history = await search.history(ctx, message_id)
            found.append(DemoResult(batch.group, history, arrivals.get(str(history.message.public_id))))
    return found


def faults(found: Sequence[DemoResult], *, unknown: int = 0) -> Sequence[str]:
    """Tell in a sentence each what is not as it should be; `unknown` messages only the network has."""
    said = [
        f"message {one.history.message.id} ({one.group.name}) {fault}" for one in found for fault in _of(one)
    ]
    return [*said, f"the network has {unknown} messages that nobody sent"] if unknown else said


def count_statuses(found: Sequence[DemoResult], group: DemoGroup) -> Counter[Status]:
    """Count how a group's messages ended."""
    return Counter(one.history.message.status for one in found if one.group is group)


def release_lags(found: Sequence[DemoResult]) -> Sequence[float]:
    """Give how many ms after its time each scheduled message was released."""
    return [
        (released - one.history.message.not_before) / _MILLISECOND
        for one in found
        if one.group.delay and (released := _first(one.history, Status.PENDING)) is not None
    ]


def arrival_lags(found: Sequence[DemoResult], *, scheduled: bool) -> Sequence[float]:
    """Give how many ms after its time each message was at the provider for the first time."""
    return [
        (min(one.arrival.at) - one.history.message.not_before) / _MILLISECOND
        for one in found
        if bool(one.group.delay) is scheduled and one.arrival is not None and one.arrival.at
    ]


def median_and_p99(values: Sequence[float]) -> tuple[float, float]:
    """Give both; of fewer than a hundred values the p99 is the largest."""
    if not values:
        return 0.0, 0.0
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _of(one: DemoResult) -> Sequence[str]:
    """Find the faults of one message."""
    message, group = one.history.message, one.group
    said = []
    if message.status is not group.end:
        said.append(f"ended as {message.status.value}, not as {group.end.value}: {message.reason}")
    if group.silent and all(event.reason != "no_receipt" for event in one.history.events):
        said.append("has no event that says that no receipt came")
    if one.arrival is not None:
        if one.arrival.taken > 1 and not group.doubtful:
            said.append(f"was taken by the network {one.arrival.taken} times")
        early, late = message.not_before - _CLOCK_ERROR, message.not_after + _CLOCK_ERROR
        said += [f"was sent at {at}, outside its window" for at in one.arrival.at if not early <= at < late]
    elif message.status in {Status.SENT, Status.RECEIVED}:
        said.append("is said to be sent, and the network does not know it")
    return said


def _first(history: History, status: Status) -> datetime | None:
    return next((event.at for event in history.events if event.status is status), None)


def _arrival(message: Mapping[str, Any]) -> SandboxArrival:
    at = [datetime.fromtimestamp(seconds, UTC) for seconds in message["received_at"]]
    return SandboxArrival(at, int(message["accepted"]))
