"""
Which providers accept messages now, and how messages wait that no provider accepts.

Nothing goes to a provider that is barred: paused or drained by an operator,
or with an open breaker. One on trial gets a trickle. A message without
another provider may wait long: it is due again as soon as its provider
accepts messages.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dispatcher.domain.delivery.message import DueMessage, RoutedMessage
from dispatcher.domain.delivery.provider import token_rate
from dispatcher.domain.routing.breaker import TRIAL_RATE
from dispatcher.domain.routing.provider_state import AVAILABLE, ProviderState
from dispatcher.domain.tier import Tier
from dispatcher.lanes.throttle import Token
from dispatcher.service.context import Context
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import HeldMessage

# Messages that wait for a provider are tried again spread over so many seconds: a backlog must not come all
# at once, nor often.
_SPREAD = {Tier.CRITICAL: 1.0, Tier.STANDARD: 60.0, Tier.BULK: 60.0}
_FIRST_TRY = timedelta(seconds=1)
_ORDERED = timedelta(minutes=5)


def split_by_availability(
    ctx: Context, routed: Sequence[RoutedMessage]
) -> tuple[list[RoutedMessage], list[RoutedMessage]]:
    """
    Return the messages that some provider accepts now, with those providers alone, and the others.

    A provider on trial is first for one message of these that names it, or
    nothing would ever show that it works again.
    """
    conditions = ctx.provider_states
    if not any(condition != AVAILABLE for condition in conditions.values()):
        return list(routed), []
    available, barred = [], []
    untried = {name for name, condition in conditions.items() if condition.is_on_trial}
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


async def take_tokens(ctx: Context, provider: str, messages: Sequence[DueMessage]) -> list[Token]:
    """Take tokens for these messages, all of one tier; at a trickle's rate while the provider is on trial."""
    config = ctx.providers[provider].config
    tps = min(config.tps, TRIAL_RATE) if state_of(ctx, provider).is_on_trial else config.tps
    return await ctx.throttle.take(
        provider,
        messages[0].tier,
        tps=token_rate(tps),
        wanted=[(message.segments, message.sender) for message in messages],
        sender_tps={sender: token_rate(rate) for sender, rate in config.sender_tps.items()},
    )


async def wait(ctx: Context, barred: Sequence[RoutedMessage]) -> None:
    """Hold messages until a provider of theirs accepts messages again. Raises Unavailable."""
    now = ctx.now()
    by_reason: defaultdict[str, list[HeldMessage]] = defaultdict(list)
    for one in barred:
        conditions = {name: state_of(ctx, name) for name in one.providers}
        until = _next_try(ctx, one.message.tier, conditions, now)
        by_reason[_reason(conditions)].append(HeldMessage(one.message.id, until))
    for reason, held in by_reason.items():
        await hold(ctx, held, waits_for=reason)


async def hold(ctx: Context, held: Sequence[HeldMessage], *, waits_for: str | None = None) -> None:
    """Hold messages that are not claimed, out of their lane. Raises Unavailable."""
    earliest = await ctx.database.single(lambda c: claims.hold(c, held, waits_for=waits_for))
    if earliest is not None:
        ctx.lanes.wake(earliest)


def state_of(ctx: Context, provider: str) -> ProviderState:
    """Return a provider's condition, as last known to this process."""
    return ctx.provider_states.get(provider, AVAILABLE)


def _reason(conditions: Mapping[str, ProviderState]) -> str:
    return ", ".join(f"{name} is {condition}" for name, condition in conditions.items())


def _next_try(ctx: Context, tier: Tier, conditions: Mapping[str, ProviderState], now: datetime) -> datetime:
    """Return when a message is due again by itself: spread out, and soonest where only a breaker bars it."""
    moments = [condition.until for condition in conditions.values() if condition.until is not None]
    if any(condition.is_on_trial for condition in conditions.values()):
        moments.append(now + _FIRST_TRY)
    if moments:
        return max(now + _FIRST_TRY, min(moments)) + timedelta(seconds=_SPREAD[tier] * ctx.rng.random())
    return now + _ORDERED * (1 + ctx.rng.random())
