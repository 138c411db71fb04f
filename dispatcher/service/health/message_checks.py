"""What Postgres shows: messages that no provider of their route takes, and messages that are overdue."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.duration import format_duration
from dispatcher.domain.routing.provider_state import AVAILABLE, WORDS, Override
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.service.context import Context
from dispatcher.service.health.finding import Finding, fail, ok, warn
from dispatcher.store.messages import delays
from dispatcher.store.messages.delays import ProviderWait

_MOST_LINES = 10
_ACCOUNT_ADVICE = (
    "correct its credentials in DISPATCHER_PROVIDERS, restart, and try `dispatcher provider test {} +NUMBER`"
)
_RECENT = timedelta(minutes=15)  # the pauses between tries grow, and an old refusal says little


async def delayed(ctx: Context, *, count_up_to: int) -> Sequence[Finding]:
    """
    Check which messages wait for providers, and which are overdue. Raises Unavailable.

    The count of those that wait stops at `count_up_to`.
    """

    async def read(connection: AsyncConnection) -> tuple[Sequence[ProviderWait], dict[Tier, datetime | None]]:
        found = await delays.provider_waits(connection, limit=count_up_to)
        return found, {tier: await delays.oldest_due(connection, tier, now=ctx.now()) for tier in Tier}

    waits, due = await ctx.database.transact(read)
    return [
        *_provider_waits(ctx, waits, count_up_to),
        *await _account_refusals(ctx, count_up_to),
        *(_overdue(ctx, tier, at) for tier, at in due.items()),
    ]


async def _account_refusals(ctx: Context, most: int) -> Sequence[Finding]:
    """Return a failure for each provider that refuses our account, with the messages that wait for a try."""
    findings: list[Finding] = []
    for name, last in (await ctx.provider_health.breakers.refusals.read()).items():
        if name not in ctx.providers or last.since is None or ctx.now() - last.at > _RECENT:
            continue
        waiting = await ctx.database.single(partial(delays.retries, provider=name, limit=most))
        lasted = format_duration(max(ctx.now() - last.since, timedelta()))
        messages = "1 message waits" if waiting == 1 else f"{waiting:,} messages wait"
        text = f"it has refused our account for {lasted}: {last.words}; {messages} for the next try"
        findings.append(fail(f"provider {name}", text, _ACCOUNT_ADVICE.format(name)))
    return findings


def _provider_waits(ctx: Context, waits: Sequence[ProviderWait], most: int) -> Sequence[Finding]:
    is_cut = sum(wait.count for wait in waits) >= most
    by_providers: defaultdict[tuple[str, ...], list[ProviderWait]] = defaultdict(list)
    for wait in waits:
        by_providers[tuple(sorted(wait.states))].append(wait)
    return [
        _provider_wait(ctx, names, some, is_cut=is_cut)
        for names, some in list(by_providers.items())[:_MOST_LINES]
    ]


def _provider_wait(
    ctx: Context, names: Sequence[str], waits: Sequence[ProviderWait], *, is_cut: bool
) -> Finding:
    count, since = sum(wait.count for wait in waits), min(wait.since for wait in waits)
    messages = "1 message waits" if count == 1 and not is_cut else f"{count:,} messages wait"
    if is_cut:
        messages = f"{count:,} or more messages wait"
    states = " and ".join(f"{name} is {_state(ctx, name, waits[0].states[name])}" for name in names)
    text = f"{messages}, the oldest for {format_duration(ctx.now() - since)}: {states}"
    return fail(
        f"provider {', '.join(names)}",
        text,
        "; ".join(_advice(ctx, name, waits[0].states[name]) for name in names),
    )


def _state(ctx: Context, name: str, noted: str) -> str:
    """Return the present state of a provider, and since when; `noted` if this process knows of no fault."""
    health = ctx.provider_health
    state, override = ctx.provider_states.get(name, AVAILABLE), health.overrides.get(name)
    if not state.is_limited:
        return noted
    breaker = health.breaker_state(name)
    since = None
    if state.override is not Override.NONE:
        since = override.at if override is not None and override.override is state.override else None
    elif breaker is not None:
        since = breaker.since
    lasted = "" if since is None else f" for {format_duration(max(ctx.now() - since, timedelta()))}"
    return f"{health.describe(name, state)}{lasted}"


def _advice(ctx: Context, name: str, noted: str) -> str:
    if name not in ctx.providers:
        return f"add {name} to DISPATCHER_PROVIDERS, and restart"
    state = ctx.provider_states.get(name, AVAILABLE)
    word = str(state) if state.is_limited else noted.partition(" ")[0]
    if word in {WORDS[Override.PAUSED], WORDS[Override.DRAINED]}:
        return f"`dispatcher provider resume {name}`"
    return f"{name} is tried again by itself: `dispatcher provider list --story` says what it answers"


def _overdue(ctx: Context, tier: Tier, since: datetime | None) -> Finding:
    waited = timedelta() if since is None else max(ctx.now() - since, timedelta())
    if since is None or waited <= TIER_LIMITS[tier].overdue:
        return ok(f"tier {tier}", "no message is overdue")
    text = f"the oldest due message has waited for {format_duration(waited)}"
    level = fail if tier is Tier.CRITICAL else warn
    return level(f"tier {tier}", text, "`dispatcher lanes` shows where messages wait")
