"""
Which providers take messages now, and what becomes of those that none takes.

Nothing goes to a provider that is barred: paused or drained by an operator,
or with an open breaker. One on trial gets a trickle. A message that has no
other way waits, for long: it is called when its provider takes messages again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dispatcher.domain.breaker import TRICKLE
from dispatcher.domain.condition import WELL, Condition
from dispatcher.domain.message import Due
from dispatcher.domain.provider import evenly
from dispatcher.domain.tier import Tier
from dispatcher.lanes.throttle import Token
from dispatcher.service.context import Context
from dispatcher.store import delivery

Routed = tuple[Due, tuple[str, ...]]
"""A message and its providers in order."""

Held = tuple[int, datetime]
"""A message that waits out of its lane, and until when."""

# Spread over so many seconds they look again by themselves: a backlog must not come all at once, nor often.
_SPREAD = {Tier.CRITICAL: 1.0, Tier.STANDARD: 60.0, Tier.BULK: 60.0}
_FIRST_LOOK = timedelta(seconds=1)
_ORDERED = timedelta(minutes=5)


def part(ctx: Context, routed: Sequence[Routed]) -> tuple[list[Routed], list[Routed]]:
    """
    Part messages into those that have a way now, with the providers that take them, and the others.

    A provider on trial is first for one message of these that names it, or
    nothing would ever show that it works again.
    """
    conditions = ctx.conditions
    if not any(condition != WELL for condition in conditions.values()):
        return list(routed), []
    open_, barred = [], []
    untried = {name for name, condition in conditions.items() if condition.is_on_trial}
    for due, providers in routed:
        ways = tuple(name for name in providers if not condition(ctx, name).is_barred)
        if not ways:
            barred.append((due, providers))
            continue
        tried = next((name for name in ways if name in untried), None)
        if tried is not None:
            untried.discard(tried)
            ways = (tried, *(name for name in ways if name != tried))
        open_.append((due, ways))
    return open_, barred


async def tokens(ctx: Context, provider: str, messages: Sequence[Due]) -> list[Token]:
    """Take tokens for these messages, all of one tier; those of a trickle while the provider is on trial."""
    config = ctx.ways[provider].config
    tps = min(config.tps, TRICKLE) if condition(ctx, provider).is_on_trial else config.tps
    return await ctx.throttle.take(
        provider,
        messages[0].tier,
        tps=evenly(tps),
        wanted=[(due.segments, due.sender) for due in messages],
        sender_tps={sender: evenly(rate) for sender, rate in config.sender_tps.items()},
    )


async def wait(ctx: Context, barred: Sequence[Routed]) -> None:
    """Let messages wait until a provider of theirs takes messages again. Raises Unavailable."""
    now = ctx.now()
    held: defaultdict[str, list[Held]] = defaultdict(list)
    for due, providers in barred:
        conditions = {name: condition(ctx, name) for name in providers}
        held[_told(conditions)].append((due.id, _look_again(ctx, due.tier, conditions, now)))
    for told, until in held.items():
        await hold(ctx, until, waits_for=told)


async def hold(ctx: Context, until: Sequence[Held], *, waits_for: str | None = None) -> None:
    """Let messages that are not claimed wait until then, out of their lane. Raises Unavailable."""
    earliest = await ctx.database.single(lambda c: delivery.hold(c, until, waits_for=waits_for))
    if earliest is not None:
        ctx.lanes.wake(earliest)


def condition(ctx: Context, provider: str) -> Condition:
    """Tell how a provider is, as far as this process knows."""
    return ctx.conditions.get(provider, WELL)


def _told(conditions: Mapping[str, Condition]) -> str:
    return ", ".join(f"{name} is {condition}" for name, condition in conditions.items())


def _look_again(ctx: Context, tier: Tier, conditions: Mapping[str, Condition], now: datetime) -> datetime:
    """Tell when a message looks again by itself: spread out, and soonest where only a breaker bars it."""
    moments = [condition.until for condition in conditions.values() if condition.until is not None]
    if any(condition.is_on_trial for condition in conditions.values()):
        moments.append(now + _FIRST_LOOK)
    if moments:
        return max(now + _FIRST_LOOK, min(moments)) + timedelta(seconds=_SPREAD[tier] * ctx.rng.random())
    return now + _ORDERED * (1 + ctx.rng.random())
