"""Compares the ends of the demo's messages with what was expected, and measures their delays."""

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
    """One message as the sandbox has it: when each submit came, and how many submits it accepted."""

    at: Sequence[datetime]
    accepted: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """One message: its group, its history, and its arrival at the network, if any."""

    group: DemoGroup
    history: History
    arrival: SandboxArrival | None


async def read(ctx: Context, client: httpx.AsyncClient, batches: Sequence[DemoBatch]) -> Sequence[DemoResult]:
    """Return the results of all messages; `client` is an HTTP client for the sandbox."""
    response = await client.get("/messages", params={"limit": 10_000})
    response.raise_for_status()
    arrivals = {message["reference"]: _arrival(message) for message in response.json()}
    found = []
    for batch in batches:
        for message_id in batch.message_ids:
            history = await search.history(ctx, message_id)
            found.append(DemoResult(batch.group, history, arrivals.get(str(history.message.public_id))))
    return found


def faults(found: Sequence[DemoResult], *, unknown: int = 0) -> Sequence[str]:
    """Return a sentence for each fault; `unknown` is how many messages only the network has."""
    faults_found = [
        f"message {result.history.message.id} ({result.group.name}) {fault}"
        for result in found
        for fault in _faults_of(result)
    ]
    return (
        [*faults_found, f"the network has {unknown} messages that were never submitted"]
        if unknown
        else faults_found
    )


def count_statuses(found: Sequence[DemoResult], group: DemoGroup) -> Counter[Status]:
    """Return how many of a group's messages have each status."""
    return Counter(result.history.message.status for result in found if result.group is group)


def release_lags(found: Sequence[DemoResult]) -> Sequence[float]:
    """Return how many ms after its time each scheduled message was released."""
    return [
        (released - result.history.message.not_before) / _MILLISECOND
        for result in found
        if result.group.delay and (released := _first(result.history, Status.PENDING)) is not None
    ]


def arrival_lags(found: Sequence[DemoResult], *, scheduled: bool) -> Sequence[float]:
    """Return how many ms after its time each message first reached the provider."""
    return [
        (min(result.arrival.at) - result.history.message.not_before) / _MILLISECOND
        for result in found
        if bool(result.group.delay) is scheduled and result.arrival is not None and result.arrival.at
    ]


def median_and_p99(values: Sequence[float]) -> tuple[float, float]:
    """Return median and p99; the p99 of fewer than a hundred values is the largest."""
    if not values:
        return 0.0, 0.0
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _faults_of(result: DemoResult) -> Sequence[str]:
    """Return the faults of one message."""
    message, group = result.history.message, result.group
    faults_found = []
    if message.status is not group.end:
        faults_found.append(f"ended as {message.status.value}, not as {group.end.value}: {message.reason}")
    if group.silent and all(event.reason != "no_receipt" for event in result.history.events):
        faults_found.append("has no event that reports the missing receipt")
    if result.arrival is not None:
        if result.arrival.accepted > 1 and not group.doubtful:
            faults_found.append(f"was accepted by the network {result.arrival.accepted} times")
        early, late = message.not_before - _CLOCK_ERROR, message.not_after + _CLOCK_ERROR
        faults_found += [
            f"was sent at {at}, outside its window" for at in result.arrival.at if not early <= at < late
        ]
    elif message.status in {Status.SENT, Status.RECEIVED}:
        faults_found.append("has the status of a sent message, but the network does not have it")
    return faults_found


def _first(history: History, status: Status) -> datetime | None:
    return next((event.at for event in history.events if event.status is status), None)


def _arrival(message: Mapping[str, Any]) -> SandboxArrival:
    at = [datetime.fromtimestamp(seconds, UTC) for seconds in message["received_at"]]
    return SandboxArrival(at, int(message["accepted"]))
