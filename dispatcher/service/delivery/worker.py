"""
The delivery of messages from a lane to a provider: read, route, throttle, claim, send, record.

Each step calls the next and does not know the one before it:

    read, route   Worker          one for each process
    throttle      TokenQueue      one for each provider and tier
    claim         SendQueue       one for each provider
    send          ProviderCalls   one for each process
    record        Recorder        one for each process

Between read and claim a LaneTask counts the message. A ConcurrencyLimit for
each provider limits the open calls.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.message import DueMessage, RoutedMessage
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.window import Phase
from dispatcher.domain.numbers.msisdn import Msisdn
from dispatcher.domain.routing.route import RoutePlan, rank_providers
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import hours
from dispatcher.service.context import Context
from dispatcher.service.delivery import availability
from dispatcher.service.delivery.concurrency import ConcurrencyLimit, LoopLag
from dispatcher.service.delivery.lane_task import LaneTask
from dispatcher.service.delivery.provider_call import ProviderCalls
from dispatcher.service.delivery.recorder import Recorder
from dispatcher.service.delivery.send_queue import SendQueue
from dispatcher.service.delivery.token_queue import TokenQueue
from dispatcher.service.routing import routes
from dispatcher.store.accounts import ledger
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import DroppedMessage, HeldMessage

log = structlog.get_logger()


class Worker:
    """
    Delivers the messages of one process's lane tasks.

    A message is claimed only when it has a route, a token and a slot, so a
    worker that dies leaves only its open calls in doubt. No transaction is
    open during a provider call.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._stopping = asyncio.Event()
        self.recorder = Recorder(ctx)
        self.loop_lag = LoopLag()
        self.limits = {
            name: ConcurrencyLimit(configured.config, self.loop_lag, batch=configured.provider.max_batch)
            for name, configured in ctx.providers.items()
        }
        calls = ProviderCalls(ctx, self.limits, self.recorder)
        self._send_queues = {
            name: SendQueue(
                ctx, name, limit=limit, calls=calls, recorder=self.recorder, stopping=self._stopping
            )
            for name, limit in self.limits.items()
        }
        self._token_queues = {
            (name, tier): TokenQueue(ctx, name, tier, send_queue=send_queue, stopping=self._stopping)
            for name, send_queue in self._send_queues.items()
            for tier in Tier
        }

    async def deliver(self, message_ids: Sequence[int]) -> Mapping[str, int]:
        """
        Deliver these messages from their lane, and return how many are sent now, and why others are not.

        Those that cannot be sent now are left to the clock. Returns when all
        messages are claimed that can be sent at once. The lane waits neither
        for the tokens of the others nor for the providers' answers.
        """
        lane_task = LaneTask(self._ctx, self._stopping)
        found, routed = len(message_ids), 0
        try:
            messages = await self._read(message_ids)
            found = len(messages)
            sendable = await self._route(messages)
            routed = len(sendable)
            held = await self._throttle(sendable, lane_task)
            await lane_task.finish(held)
        except Unavailable as error:
            log.warning("chunk_left_to_the_clock", messages=len(message_ids), error=str(error))
        counts = {
            "sending": lane_task.claimed,
            "waiting": routed - lane_task.claimed,  # for a token, a slot or a provider
            "not_sendable": found - routed,  # refused, outside its hours, or its window is over
            "gone": len(message_ids) - found,  # no longer in the lane, or of a paused campaign
        }
        return {name: count for name, count in counts.items() if count}

    def close(self) -> None:
        """Claim no more messages. Open lane tasks end soon, and make their unclaimed messages ready again."""
        self._stopping.set()

    async def idle(self) -> None:
        """Wait until no message is queued and no call is open; the recorder may still have outcomes."""
        for token_queue in self._token_queues.values():
            await token_queue.idle()
        for send_queue in self._send_queues.values():
            await send_queue.idle()

    async def _read(self, message_ids: Sequence[int]) -> list[DueMessage]:
        """Return the messages that are still in their lane; make those of a paused campaign ready again."""
        database = self._ctx.database
        messages = await database.single(lambda c: claims.read(c, message_ids))
        paused = [message.id for message in messages if message.paused]
        if not paused:
            return messages
        now = self._ctx.now()
        await database.single(lambda c: claims.return_to_ready(c, paused, now=now))
        return [message for message in messages if not message.paused]

    async def _route(self, messages: Sequence[DueMessage]) -> list[RoutedMessage]:
        """Return the messages that may be sent now; end those that never can, hold those outside hours."""
        ctx = self._ctx
        await routes.ensure_table(ctx)
        routed, dropped = _find_routes(ctx, await availability.with_their_provider(ctx, messages))
        routed, closed = await hours.split_by_hours(ctx, routed)
        if dropped or closed.over:
            await _drop(ctx, [*dropped, *closed.over])
        if closed.waits:
            await hours.wait_for_opening(ctx, closed.waits)
        return routed

    async def _throttle(self, routed: Sequence[RoutedMessage], lane_task: LaneTask) -> list[HeldMessage]:
        """Put each message into the token queue of its first provider. Return those that must be held."""
        available, barred = availability.split_by_availability(self._ctx, routed)
        held: list[HeldMessage] = []
        while available:
            by_queue: defaultdict[tuple[str, Tier], list[RoutedMessage]] = defaultdict(list)
            for one in available:
                by_queue[one.providers[0], one.message.tier].append(one)
            available = []
            for (provider, tier), some in by_queue.items():
                token_queue = self._token_queues[provider, tier]
                if availability.state_of(self._ctx, provider).is_on_trial:
                    for one in await token_queue.enter_trial(some, lane_task):
                        if others := one.providers[1:]:
                            available.append(RoutedMessage(one.message, others))
                        else:
                            barred.append(one)
                else:
                    held += await token_queue.enter(some, lane_task)
        if barred:
            await availability.wait(self._ctx, barred)
        return held


def _find_routes(
    ctx: Context, messages: Sequence[DueMessage]
) -> tuple[list[RoutedMessage], list[DroppedMessage]]:
    """Return the messages with their providers, and those that can never be sent."""
    now = ctx.now()
    routed: list[RoutedMessage] = []
    dropped: list[DroppedMessage] = []
    for message in messages:
        if message.window.phase(now) is Phase.OVER:
            continue  # the clock's `expire` ends it, and knows whether it is in doubt
        if message.opted_out:
            dropped.append(DroppedMessage(message.id, Status.OPTED_OUT, "the number has opted out"))
        elif message.sender is None:
            dropped.append(DroppedMessage(message.id, Status.NO_SENDER, "its sender was removed"))
        elif not message.sender_usable:
            reason = f"sender {message.sender} was disabled"
            dropped.append(DroppedMessage(message.id, Status.INVALID_SENDER, reason))
        else:
            plan = _plan(ctx, message)
            if plan.refusal is not None and message.only_provider is None:
                dropped.append(DroppedMessage(message.id, *plan.refusal))
            else:
                shown = message if plan.sender == message.sender else replace(message, sender=plan.sender)
                routed.append(RoutedMessage(shown, _providers(ctx, message, plan)))
    return routed, dropped


def _providers(ctx: Context, message: DueMessage, plan: RoutePlan) -> tuple[str, ...]:
    if message.only_provider is not None:
        return (message.only_provider,)
    # If all providers are drained, an accepted message waits: a drain may end.
    return rank_providers(plan, message.public_id, ctx.provider_states) or plan.names


def _plan(ctx: Context, message: DueMessage) -> RoutePlan:
    return routes.plan_for(
        ctx,
        message.account_id,
        Msisdn(message.number, message.country),
        tier=message.tier,
        sender=message.sender,
        is_test=message.is_test,
    )


async def _drop(ctx: Context, dropped: Sequence[DroppedMessage]) -> None:
    """End these messages, and refund those that no provider may have."""
    now = ctx.now()

    async def work(connection: AsyncConnection) -> None:
        moved = await claims.drop(connection, dropped, now=now)
        await ledger.refund(connection, [row.id for row in moved if row.charged and row.status.is_refunded])

    await ctx.database.transact(work)
