"""Providers for operators: the state of each and its causes, overrides, and test messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from dispatcher.domain.delivery.provider import Listens, Outcome, Outgoing, ProviderConfig, ProviderReports
from dispatcher.domain.delivery.refusal import Refusal
from dispatcher.domain.errors import Invalid, NotFound, Unavailable
from dispatcher.domain.messages.encoding import InvalidText, measure
from dispatcher.domain.messages.text import is_blank
from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse
from dispatcher.domain.routing.breaker import WINDOW, CallCounts
from dispatcher.domain.routing.provider_state import BreakerPhase, Override, ProviderState
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.service.context import ConfiguredProvider, Context
from dispatcher.service.routing import drains
from dispatcher.store.routing import overrides

_HISTORY = 50
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class ProviderChange:
    """A change of a provider's state: its breaker moved, or the operator `by` set an override."""

    at: datetime
    to: BreakerPhase | Override
    cause: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """
    The state of one provider.

    `window` counts the results of its calls in the breaker's window, over all
    processes; None when Redis cannot be reached. `in_flight` is how many
    messages are in a call now. `history` has the newest change first.
    `last_refusal` is None if there is none, or Redis cannot be reached.
    """

    config: ProviderConfig
    state: ProviderState
    window: CallCounts | None
    in_flight: int
    history: Sequence[ProviderChange]
    last_refusal: Refusal | None = None

    @property
    def tps(self) -> float | None:
        """Segments a second in the breaker's window; None when Redis cannot be reached."""
        return None if self.window is None else self.window.segments / WINDOW.total_seconds()

    @property
    def latest(self) -> ProviderChange | None:
        """The change that caused the state: the override, if there is one, else the breaker's last move."""
        is_overridden = self.state.override is not Override.NONE
        return next((one for one in self.history if (one.by is not None) == is_overridden), None)


@dataclass(frozen=True, slots=True)
class TestMessage:
    """The result of a test message."""

    reference: str
    outcome: Outcome
    took: timedelta


async def every(ctx: Context) -> list[ProviderReport]:
    """Return reports on all configured providers, in their order. Raises Unavailable."""
    await ctx.provider_health.refresh()
    in_flight = await ctx.database.single(overrides.count_in_calls)
    return [
        await _report(ctx, configured.config, in_flight.get(name, 0))
        for name, configured in ctx.providers.items()
    ]


async def one(ctx: Context, name: str) -> ProviderReport:
    """Return a report on one provider. Raises NotFound and Unavailable."""
    config = _find(ctx, name).config
    await ctx.provider_health.refresh()
    in_flight = await ctx.database.single(overrides.count_in_calls)
    return await _report(ctx, config, in_flight.get(name, 0))


async def set_override(
    ctx: Context, name: str, wanted: Override, *, reason: str = "", by: str, confirmed: bool = False
) -> ProviderReport:
    """
    Override the state of a provider, in all processes within about a second, and report on it.

    NONE removes the override. NONE and PINNED make messages that wait for the
    provider due, here and again in each process that learns of it. DRAINED
    of a provider that is the last way of any message must be `confirmed`.
    Raises NotFound, Invalid for a long reason, NotConfirmed, and Unavailable.
    """
    _find(ctx, name)
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise Invalid(f"a reason has up to {_LONGEST_REASON} printable characters, not {len(reason)}")
    if wanted is Override.DRAINED:
        await drains.require_confirmation(ctx, name, confirmed=confirmed)
    await ctx.database.single(lambda c: overrides.insert(c, name, wanted, reason=reason, by=by))
    await ctx.provider_health.reload_overrides()
    if wanted in {Override.NONE, Override.PINNED}:
        await ctx.provider_health.release_waiting(name, now=ctx.now())
    return await one(ctx, name)


async def send_test(
    ctx: Context, name: str, number: str, *, text: str, sender: str | None = None
) -> TestMessage:
    """
    Send one message directly through a provider's plug-in, and return its result.

    It bypasses lanes, overrides, throttle and allowed hours, costs no credits
    and is not stored: its receipt will match no message. Raises NotFound, and
    Invalid for an invalid number or text.
    """
    configured = _find(ctx, name)
    try:
        to = parse(number, NumberPolicy(require_plus=True, lenient=True, simulated=True)).e164
        segments = 0 if is_blank(text) else measure(text).segments
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
        configured.provider.listen(_refuse_reports)
    [outcome] = await configured.provider.send([outgoing], lambda: True)
    return TestMessage(outgoing.reference, outcome, ctx.now() - now)


async def _refuse_reports(reports: Sequence[ProviderReports]) -> None:
    raise Unavailable(f"this process only tests a provider: it cannot store {len(reports)} reports")


async def _report(ctx: Context, config: ProviderConfig, in_flight: int) -> ProviderReport:
    health, name = ctx.provider_health, config.name
    moves = [ProviderChange(s.since, s.breaker, s.cause) for s in await health.breakers.history(name)]
    stored = await ctx.database.single(lambda c: overrides.history(c, name, limit=_HISTORY))
    refusals = await health.breakers.refusals.read()
    overridden = [ProviderChange(o.at, o.override, o.reason, o.by) for o in stored]
    return ProviderReport(
        config=config,
        state=ctx.provider_states.get(name, ProviderState()),
        window=None if health.last_snapshot is None else health.last_snapshot.known[name].window,
        in_flight=in_flight,
        history=sorted([*moves, *overridden], key=lambda change: change.at, reverse=True),
        last_refusal=refusals.get(name),
    )


def _find(ctx: Context, name: str) -> ConfiguredProvider:
    configured = ctx.providers.get(name)
    if configured is None:
        known = ", ".join(ctx.providers) or "none"
        raise NotFound(f"there is no provider {name!r} in DISPATCHER_PROVIDERS; there are: {known}")
    return configured
