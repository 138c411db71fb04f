"""
Allowed hours: setting them, and finding which messages may be sent now.

They are checked when a message is accepted, and again, as they are set then,
when a worker reads it. Without allowed hours, neither check costs anything.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from zoneinfo import ZoneInfo

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.delivery.message import RoutedMessage
from dispatcher.domain.hours.allowed_hours import AllowedHours
from dispatcher.domain.hours.opening import SendOpening, first_opening
from dispatcher.domain.hours.zones import zones_of
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.yielding import yielding
from dispatcher.store.accounts import hours as store
from dispatcher.store.accounts.hours import HoursCursor, HoursWait
from dispatcher.store.delivery.claims import DroppedMessage

_BATCH = 1000

DEFAULT_TIERS: Sequence[Tier] = (Tier.STANDARD, Tier.BULK)
"""The tiers whose hours are set when none is named: critical messages have none by default."""


async def of_account(ctx: Context, account: Account) -> Mapping[Tier, AllowedHours]:
    """Return the hours that apply to an account's messages: its own, else those of the settings."""
    return {**ctx.settings.hours, **await own(ctx, account)}


async def own(ctx: Context, account: Account) -> Mapping[Tier, AllowedHours]:
    """Return an account's own hours."""
    return await ctx.database.single(lambda c: store.of_account(c, account.id))


async def set(  # noqa: A001  # it is called `hours.set`
    ctx: Context, account: Account, tiers: Sequence[Tier], hours: AllowedHours | None
) -> None:
    """
    Set an account's own hours for these tiers; None removes them.

    They apply to messages accepted from now on, and to waiting messages when
    they are due. Those that wait for hours are due now, to be checked again.
    """
    await ctx.database.single(lambda c: store.write(c, account.id, tiers, hours))
    now = ctx.now()
    after: HoursCursor | None = HoursCursor()
    while after is not None:
        due = partial(store.make_due, account_id=account.id, tiers=tiers, now=now, after=after, limit=_BATCH)
        after = await ctx.database.single(due)
    ctx.lanes.wake(now)


def effective(ctx: Context, own: AllowedHours | None, tier: Tier) -> AllowedHours | None:
    """Return the hours that apply to a tier, given an account's or a campaign's own hours, if any."""
    return own or ctx.settings.hours.get(tier)


async def openings(
    hours: AllowedHours | None, numbers: Sequence[str], *, window: Window
) -> Mapping[str, SendOpening]:
    """Return for each number (E.164) when messages may be sent to it; empty without hours."""
    if hours is None:
        return {}
    by_zones: dict[tuple[ZoneInfo, ...], SendOpening] = {}
    found: dict[str, SendOpening] = {}
    async for number in yielding(numbers):
        zones = (hours.zone,) if hours.zone else zones_of(number)
        if zones not in by_zones:
            by_zones[zones] = first_opening(hours, zones, window=window)
        found[number] = by_zones[zones]
    return found


@dataclass(frozen=True, slots=True)
class ClosedMessages:
    """Messages that may not be sent now: `waits` until an opening, `over` if none comes in their window."""

    waits: list[HoursWait] = field(default_factory=list)
    over: list[DroppedMessage] = field(default_factory=list)


async def split_by_hours(
    ctx: Context, routed: Sequence[RoutedMessage]
) -> tuple[list[RoutedMessage], ClosedMessages]:
    """Return the messages whose hours are open, each with their closing time, and the others."""
    allowed: list[RoutedMessage] = []
    bound: defaultdict[AllowedHours, list[RoutedMessage]] = defaultdict(list)
    for one in routed:
        hours = effective(ctx, one.message.hours, one.message.tier)
        if hours is None:
            allowed.append(one)
        else:
            bound[hours].append(one)
    closed = ClosedMessages()
    now = ctx.now() - ctx.time.uncertainty  # never early, as for a window's start
    for hours, some in bound.items():
        window = Window(now, max(one.message.window.not_after for one in some))
        found = await openings(hours, [one.message.number for one in some], window=window)
        for one in some:
            message = one.message
            opening = found[message.number]
            if opening.at is None or not opening.serves(message.window):
                closed.over.append(DroppedMessage(message.id, Status.EXPIRED, opening.miss_reason))
            elif opening.at > now:
                closed.waits.append(HoursWait(message.id, opening.at, opening.closes_at, opening.wait_reason))
            else:
                allowed.append(replace(one, message=replace(message, closes_at=opening.closes_at)))
    return allowed, closed


async def wait_for_opening(ctx: Context, waits: Sequence[HoursWait]) -> None:
    """Hold messages until their opening, outside of their lane. Raises Unavailable."""
    now = ctx.now()
    await ctx.database.single(lambda c: store.hold_until_open(c, waits, now=now))
    ctx.lanes.wake(min(w.wake_at for w in waits))
