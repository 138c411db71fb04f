"""Providers as operators see them: how each is and why, what was ordered of it, and a message to try it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from dispatcher.domain.delivery.provider import Listens, Outcome, Outgoing, ProviderConfig, ProviderReports
from dispatcher.domain.errors import Invalid, NotFound, Unavailable
from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse
from dispatcher.domain.routing.breaker import WINDOW, CallCounts
from dispatcher.domain.routing.provider_state import Breaker, Override, ProviderState
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.service.context import ConfiguredProvider, Context
from dispatcher.store.routing import overrides

_HISTORY = 50
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class ProviderChange:
    """One thing that happened to a provider: its breaker moved, or an operator ordered something (`by`)."""

    at: datetime
    to: Breaker | Override
    cause: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """
    How one provider is.

    `window` is what came of its messages in the last moments, over all
    processes; None when Redis cannot be reached. `out` is how many are in a
    call now. `story` is the newest first.
    """

    config: ProviderConfig
    condition: ProviderState
    window: CallCounts | None
    out: int
    story: Sequence[ProviderChange]

    @property
    def tps(self) -> float | None:
        """Segments a second of the last moments."""
        return None if self.window is None else self.window.segments / WINDOW.total_seconds()

    @property
    def latest(self) -> ProviderChange | None:
        """What made it so: the order where one holds, else the breaker's last move."""
        is_ordered = self.condition.override is not Override.NONE
        return next((turn for turn in self.story if (turn.by is not None) == is_ordered), None)


@dataclass(frozen=True, slots=True)
class TestMessage:
    """What came of a message that was sent to try a provider."""

    reference: str
    outcome: Outcome
    took: timedelta


async def every(ctx: Context) -> list[ProviderReport]:
    """Report on all configured providers, in their order. Raises Unavailable."""
    await ctx.provider_health.refresh()
    out = await ctx.database.single(overrides.count_in_calls)
    return [
        await _report(ctx, configured.config, out.get(name, 0)) for name, configured in ctx.providers.items()
    ]


async def one(ctx: Context, name: str) -> ProviderReport:
    """Report on one provider. Raises NotFound and Unavailable."""
    config = _find(ctx, name).config
    await ctx.provider_health.refresh()
    out = await ctx.database.single(overrides.count_in_calls)
    return await _report(ctx, config, out.get(name, 0))


async def set_override(
    ctx: Context, name: str, wanted: Override, *, reason: str = "", by: str
) -> ProviderReport:
    """
    Order something of a provider; within about a second all processes do so.

    NONE takes the order back, and makes messages that wait for a provider due. Raises
    NotFound, Invalid for a long reason, and Unavailable.
    """
    _find(ctx, name)
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise Invalid(f"a reason has up to {_LONGEST_REASON} printable characters, not {len(reason)}")
    await ctx.database.single(lambda c: overrides.insert(c, name, wanted, reason=reason, by=by))
    await ctx.provider_health.reload_overrides()
    if wanted in {Override.NONE, Override.PINNED}:
        await ctx.provider_health.release_waiting(now=ctx.now())
    return await one(ctx, name)


async def send_test(
    ctx: Context, name: str, number: str, *, text: str, sender: str | None = None
) -> TestMessage:
    """
    Send one message straight through a provider's plug-in, past lanes, orders, throttle and allowed hours.

    It costs no credits and nothing is kept of it: its receipt will fit no
    message. Raises NotFound, and Invalid for a number or text that is none.
    """
    configured = _find(ctx, name)
    try:
        to = parse(number, NumberPolicy(require_plus=True, simulated=True)).e164
        segments = measure(text).segments
    except (InvalidNumber, InvalidText) as error:
        raise Invalid(str(error)) from None
    if not segments:
        raise Invalid("a message needs a text")
    now = ctx.now()
    outgoing = Outgoing(
        reference=str(uuid4()),
        to=to,
        sender=sender,
        text=text,
        segments=segments,
        tier=Tier.CRITICAL,
        attempt=1,
        not_after=now + TIER_LIMITS[Tier.CRITICAL].validity,
    )
    if isinstance(configured.provider, Listens):
        configured.provider.listen(_keep_nothing)
    [outcome] = await configured.provider.send([outgoing], lambda: True)
    return TestMessage(outgoing.reference, outcome, ctx.now() - now)


async def _keep_nothing(told: Sequence[ProviderReports]) -> None:
    raise Unavailable(f"this process only tries a provider: {len(told)} reports are for another")


async def _report(ctx: Context, config: ProviderConfig, out: int) -> ProviderReport:
    health, name = ctx.provider_health, config.name
    moves = [ProviderChange(s.since, s.breaker, s.cause) for s in await health.breakers.history(name)]
    ordered = await ctx.database.single(lambda c: overrides.history(c, name, limit=_HISTORY))
    given = [ProviderChange(o.at, o.override, o.reason, o.by) for o in ordered]
    return ProviderReport(
        config=config,
        condition=ctx.provider_states.get(name, ProviderState()),
        window=None if health.last_snapshot is None else health.last_snapshot.known[name].window,
        out=out,
        story=sorted([*moves, *given], key=lambda turn: turn.at, reverse=True),
    )


def _find(ctx: Context, name: str) -> ConfiguredProvider:
    configured = ctx.providers.get(name)
    if configured is None:
        known = ", ".join(ctx.providers) or "none"
        raise NotFound(f"there is no provider {name!r} in DISPATCHER_PROVIDERS; there are: {known}")
    return configured
