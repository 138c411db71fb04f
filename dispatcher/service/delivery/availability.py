"""
Which providers accept messages now, and the wait of messages that no provider accepts.

A provider that is barred gets no message: it is paused or drained by an
operator, or its breaker is open. A provider on trial, with a half-open breaker,
gets a few. A message without another provider may wait long: it is due again
as soon as its provider accepts messages.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dispatcher.domain.delivery.message import DueMessage, RoutedMessage
from dispatcher.domain.delivery.provider import token_rate
from dispatcher.domain.messages.waits import WaitKind, barred_detail
from dispatcher.domain.routing.breaker import TRIAL_RATE
from dispatcher.domain.routing.provider_state import AVAILABLE, ProviderState
from dispatcher.domain.tier import Tier
from dispatcher.lanes.throttle import Token, TokenCost
from dispatcher.service.context import Context
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import HeldMessage

# The next tries of messages that wait for a provider are spread over so many seconds: a backlog must not
# come back all at once, nor often.
_SPREAD = {Tier.CRITICAL: 1.0, Tier.STANDARD: 60.0, Tier.BULK: 60.0}
_FIRST_TRY = timedelta(seconds=1)
_OVERRIDE_WAIT = timedelta(minutes=5)


def split_by_availability(
    ctx: Context, routed: Sequence[RoutedMessage]
) -> tuple[list[RoutedMessage], list[RoutedMessage]]:
    """
    Return the messages that some provider accepts now, with only those providers, and the other messages.

    A provider on trial comes first for one of the messages that name it, or
    no call would ever show that it works again.
    """
    states = ctx.provider_states
    if not any(state != AVAILABLE for state in states.values()):
        return list(routed), []
    available, barred = [], []
    untried = {name for name, state in states.items() if state.is_on_trial}
    for one in routed:
        providers = tuple(name for name in one.providers if not state_of(ctx, name).is_barred)
        if not providers:
            barred.append(one)
            continue
        tried = next((name for name in providers if name in untried), None)
        if tried is not None:
            untried.discard(tried)
            providers = (tried, *(name for name in providers if name != tried))
        available.append(RoutedMessage(one.message, providers))
    return available, barred


async def with_their_provider(ctx: Context, messages: Sequence[DueMessage]) -> Sequence[DueMessage]:
    """Return the messages, but hold those that are in part with a provider that is not configured."""
    now = ctx.now()
    sendable: list[DueMessage] = []
    held: list[HeldMessage] = []
    for message in messages:
        if message.only_provider is None or message.only_provider in ctx.providers:
            sendable.append(message)
        else:
            detail = barred_detail([(message.only_provider, "not configured")])
            held.append(HeldMessage(message.id, now + _OVERRIDE_WAIT, WaitKind.PROVIDER, detail, now))
    if held:
        await hold(ctx, held)
    return sendable


async def take_tokens(ctx: Context, provider: str, messages: Sequence[DueMessage]) -> list[Token]:
    """Take tokens for these messages, all of one tier; at the trial rate while the provider is on trial."""
    config = ctx.providers[provider].config
    tps = min(config.tps, TRIAL_RATE) if state_of(ctx, provider).is_on_trial else config.tps
    return await ctx.throttle.take(
        provider,
        messages[0].tier,
        tps=token_rate(tps),
        wanted=[TokenCost(message.segments_left, message.sender) for message in messages],
        sender_tps={sender: token_rate(rate) for sender, rate in config.sender_tps.items()},
    )


async def wait(ctx: Context, barred: Sequence[RoutedMessage]) -> None:
    """Hold messages until one of their providers accepts messages again. Raises Unavailable."""
    now = ctx.now()
    held: list[HeldMessage] = []
    for one in barred:
        states = {name: state_of(ctx, name) for name in one.providers}
        until = _next_try(ctx, one.message.tier, states, now)
        held.append(HeldMessage(one.message.id, until, WaitKind.PROVIDER, _detail(ctx, states), now))
    await hold(ctx, held)
    # Messages that were being held when this process learned that a provider accepts messages again.
    for name in {name for one in barred for name in one.providers}:
        if not state_of(ctx, name).is_limited:
            await ctx.provider_health.release_waiting(name, now=ctx.now())


async def hold(ctx: Context, held: Sequence[HeldMessage]) -> None:
    """Move messages that are not claimed from their lane to `held`. Raises Unavailable."""
    earliest = await ctx.database.single(lambda c: claims.hold(c, held))
    if earliest is not None:
        ctx.lanes.wake(earliest)


def state_of(ctx: Context, provider: str) -> ProviderState:
    """Return a provider's state, as last known to this process."""
    return ctx.provider_states.get(provider, AVAILABLE)


def _detail(ctx: Context, states: Mapping[str, ProviderState]) -> str:
    health = ctx.provider_health
    return barred_detail([(name, health.describe(name, state)) for name, state in states.items()])


def _next_try(ctx: Context, tier: Tier, states: Mapping[str, ProviderState], now: datetime) -> datetime:
    """Return when a message is due again by itself: soon if a breaker bars it, later if an operator does."""
    moments = [state.until for state in states.values() if state.until is not None]
    if any(state.is_on_trial for state in states.values()):
        moments.append(now + _FIRST_TRY)
    if moments:
        return max(now + _FIRST_TRY, min(moments)) + timedelta(seconds=_SPREAD[tier] * ctx.rng.random())
    return now + _OVERRIDE_WAIT * (1 + ctx.rng.random())
