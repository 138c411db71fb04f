"""Submits the demo's messages, and follows them until each has ended or the time is over."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from dispatcher.cli.commands.demo.groups import GROUPS, DemoGroup, SubmitVia, numbers
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.service.context import Context
from dispatcher.service.messages import search
from dispatcher.service.submissions.submit import submit

_POLL = timedelta(milliseconds=400)


@dataclass(frozen=True, slots=True)
class DemoBatch:
    """One group's messages as accepted."""

    group: DemoGroup
    caller: Caller
    id: int
    message_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class DemoProducer:
    """The account that submits, and its client for the API."""

    ctx: Context
    client: httpx.AsyncClient
    direct: Caller
    over_http: Caller
    sender_id: int


Statuses = Mapping[int, Status]


async def submit_all(producer: DemoProducer) -> Sequence[DemoBatch]:
    """Submit all groups at once, and withdraw those that are to be withdrawn."""
    return await asyncio.gather(*(_submit(producer, group) for group in GROUPS))


async def follow(
    ctx: Context, batches: Sequence[DemoBatch], *, until: datetime, show: Callable[[Statuses], None]
) -> None:
    """Read and show all statuses repeatedly until all are settled or it is `until`."""
    while True:
        statuses: dict[int, Status] = {}
        settled = True
        for batch in batches:
            found = await search.statuses(ctx, batch.caller, batch.id)
            statuses |= {message.id: message.status for message in found}
            settled = settled and all(batch.group.may_be_settled(message.status) for message in found)
            if batch.group.silent:
                settled = settled and await _is_given_up(ctx, batch)
        show(statuses)
        if settled or ctx.now() >= until:
            return
        await asyncio.sleep(_POLL.total_seconds())


async def _submit(producer: DemoProducer, group: DemoGroup) -> DemoBatch:
    match group.via:
        case SubmitVia.HTTP:
            return await _submit_over_http(producer, group)
        case SubmitVia.DIRECT:
            return await _submit_directly(producer, group)


async def _submit_over_http(producer: DemoProducer, group: DemoGroup) -> DemoBatch:
    body = {
        "message_text": f"Demo: {group.name}",
        "delivery_date": (producer.ctx.now() + group.delay).isoformat(),
        "sender_id": producer.sender_id,
        "phone_numbers": numbers(group),
    }
    try:
        response = (await producer.client.post("/api/v1/sms", json=body)).raise_for_status().json()
        if group.is_withdrawn:
            (await producer.client.delete(f"/api/v1/message/{response['message_id']}")).raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(f"the API failed for {group.name!r}: {error}") from error
    ids = [message_id for each in response["sms_ids"].values() for message_id in each]
    return DemoBatch(group, producer.over_http, response["message_id"], ids)


async def _submit_directly(producer: DemoProducer, group: DemoGroup) -> DemoBatch:
    not_before = producer.ctx.now() + group.delay
    submission = Submission(
        recipients=numbers(group),
        text=f"Demo: {group.name}",
        numbers=NumberPolicy(simulated=True),
        tier=group.tier,
        not_before=not_before,
        not_after=None if group.window is None else not_before + group.window,
    )
    batch = await submit(producer.ctx, producer.direct, submission)
    return DemoBatch(group, producer.direct, batch.id, [message.id for message in batch.messages])


async def _is_given_up(ctx: Context, batch: DemoBatch) -> bool:
    """Return whether the clock has stopped waiting for receipts."""
    histories = [await search.history(ctx, message_id) for message_id in batch.message_ids]
    return all(history.message.wake_at is None for history in histories)
