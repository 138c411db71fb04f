"""
Brakes on what an account may do to others and to itself; all are off unless set.

The same text to the same number again, too many critical messages to one
number, more messages a day than the account may have.
"""

from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import TooMany
from dispatcher.domain.msisdn import mask
from dispatcher.domain.submission import Caller
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.examine import Examined
from dispatcher.settings import RepeatPolicy
from dispatcher.store import brakes
from dispatcher.store.brakes import Earlier

_HOUR = timedelta(hours=1)


def are_on(ctx: Context, tier: Tier) -> bool:
    """Tell whether a submission of this tier is compared with those before it."""
    return ctx.settings.repeat_window > 0 or (tier is Tier.CRITICAL and ctx.settings.critical_per_hour > 0)


async def hold(
    ctx: Context, connection: AsyncConnection, caller: Caller, examined: Examined, tier: Tier
) -> Mapping[str, Earlier]:
    """
    Let a submission pass, or raise TooMany.

    Gives the messages it repeats, by number, where the setting joins repeats.
    Submissions of one account are judged one at a time while a brake is on.
    """
    if not are_on(ctx, tier):
        return {}
    repeat_window = timedelta(seconds=ctx.settings.repeat_window)
    hourly = ctx.settings.critical_per_hour if tier is Tier.CRITICAL else 0
    now, account_id = ctx.now(), caller.account.id
    await brakes.one_at_a_time(connection, account_id)
    numbers = [recipient.number.e164 for recipient in examined.recipients]
    joined: Mapping[str, Earlier] = {}
    if repeat_window:
        since = now - repeat_window
        joined = await brakes.same(connection, account_id, numbers, examined.text, since=since)
        if not _may_join(ctx, caller, joined, of=set(numbers)):
            raise _repeated(max(joined.values(), key=lambda earlier: earlier.created_at), repeat_window, now)
    if hourly:
        new = [number for number in numbers if number not in joined]
        busy = await brakes.busiest(
            connection, account_id, new, tier=Tier.CRITICAL, most=hourly, since=now - _HOUR
        )
        if busy is not None:
            text = f"{mask(busy[0])} got {hourly} critical messages within an hour, which is the most"
            raise TooMany(text, retry_after=busy[1] + _HOUR - now)
    return joined


async def count(ctx: Context, connection: AsyncConnection, caller: Caller, messages: int) -> None:
    """Count messages against the account's day, in UTC. Raises TooMany."""
    most = caller.account.limits.daily
    if most is None or messages == 0:
        return
    now = ctx.now().astimezone(UTC)
    if not await brakes.count(connection, caller.account.id, messages, today=now.date(), most=most):
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
        raise TooMany(f"the account may send {most} messages a day", retry_after=midnight - now)


def _may_join(ctx: Context, caller: Caller, joined: Mapping[str, Earlier], *, of: Set[str]) -> bool:
    """
    Tell whether repeats can be answered with what is there.

    Ids stay in their dialect, so what came in by another one cannot; nor can
    a whole submission that repeats parts of several batches: it would have none.
    """
    if ctx.settings.repeat_policy is RepeatPolicy.REFUSE:
        return not joined
    batches = {earlier.batch_id for earlier in joined.values()}
    is_spread = joined.keys() == of and len(batches) > 1
    return not is_spread and all(earlier.dialect == caller.dialect for earlier in joined.values())


def _repeated(earlier: Earlier, window: timedelta, now: datetime) -> TooMany:
    passed, wait = now - earlier.created_at, earlier.created_at + window - now
    text = f"{mask(earlier.number)} was sent the same text {passed.total_seconds():.0f} seconds ago"
    return TooMany(text, retry_after=wait)
