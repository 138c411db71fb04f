"""
Quotas that protect recipients and accounts. All are off unless set.

They limit repeats of a text to the same number, critical messages to one
number in an hour, and the messages of an account in a day.
"""

from collections.abc import Mapping, Set
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.errors import LimitExceeded
from dispatcher.domain.numbers.msisdn import mask
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.service.submissions.validate import ValidatedSubmission
from dispatcher.settings import RepeatPolicy
from dispatcher.store.submissions import quotas
from dispatcher.store.submissions.quotas import EarlierMessage

_HOUR = timedelta(hours=1)


def are_on(ctx: Context, tier: Tier) -> bool:
    """Whether a submission of this tier is compared with earlier ones."""
    return ctx.settings.repeat_window > 0 or (tier is Tier.CRITICAL and ctx.settings.critical_per_hour > 0)


async def check(
    ctx: Context, connection: AsyncConnection, validated: ValidatedSubmission
) -> Mapping[str, EarlierMessage]:
    """
    Return the earlier messages that a submission repeats, by number, if the settings join repeats.

    Raises LimitExceeded for a submission over a quota. While a quota is on,
    submissions of one account are compared one at a time.
    """
    caller, tier = validated.caller, validated.tier
    if not are_on(ctx, tier):
        return {}
    repeat_window = timedelta(seconds=ctx.settings.repeat_window)
    hourly = ctx.settings.critical_per_hour if tier is Tier.CRITICAL else 0
    now, account_id = ctx.now(), caller.account.id
    await quotas.lock_account(connection, account_id)
    numbers = validated.numbers
    joined: Mapping[str, EarlierMessage] = {}
    if repeat_window:
        since = now - repeat_window
        joined = await quotas.find_same_text(connection, account_id, numbers, validated.text, since=since)
        if not _may_join(ctx, caller, joined, of=set(numbers)):
            raise _repeated(max(joined.values(), key=lambda earlier: earlier.created_at), repeat_window, now)
    if hourly:
        new = [number for number in numbers if number not in joined]
        busy = await quotas.find_busiest_number(
            connection, account_id, new, tier=Tier.CRITICAL, most=hourly, since=now - _HOUR
        )
        if busy is not None:
            text = f"{mask(busy[0])} got {hourly} critical messages within an hour, which is the limit"
            raise LimitExceeded(text, retry_after=busy[1] + _HOUR - now)
    return joined


async def count(ctx: Context, connection: AsyncConnection, caller: Caller, messages: int) -> None:
    """Count messages against the account's daily cap, by the day in UTC. Raises LimitExceeded."""
    most = caller.account.limits.daily
    if most is None or messages == 0:
        return
    now = ctx.now()
    if not await quotas.count_day(connection, caller.account.id, messages, today=today(now), most=most):
        raise over_daily_cap(most, now)


def today(now: datetime) -> date:
    """Return the UTC day by which messages are counted."""
    return now.astimezone(UTC).date()


def over_daily_cap(most: int, now: datetime) -> LimitExceeded:
    """Return the error for a submission that exceeds the daily cap of its account."""
    midnight = datetime.combine(today(now) + timedelta(days=1), datetime.min.time(), UTC)
    return LimitExceeded(f"the account may send {most} messages a day", retry_after=midnight - now)


def _may_join(ctx: Context, caller: Caller, joined: Mapping[str, EarlierMessage], *, of: Set[str]) -> bool:
    """
    Whether the caller can get the earlier messages instead of repeats.

    Messages of another dialect cannot be joined, because ids belong to one
    dialect. Nor can a submission that only repeats messages of several
    batches: there would be no single batch to return.
    """
    if ctx.settings.repeat_policy is RepeatPolicy.REFUSE:
        return not joined
    batches = {earlier.batch_id for earlier in joined.values()}
    is_spread = joined.keys() == of and len(batches) > 1
    return not is_spread and all(earlier.dialect == caller.dialect for earlier in joined.values())


def _repeated(earlier: EarlierMessage, window: timedelta, now: datetime) -> LimitExceeded:
    passed, wait = now - earlier.created_at, earlier.created_at + window - now
    text = f"{mask(earlier.number)} was sent the same text {passed.total_seconds():.0f} seconds ago"
    return LimitExceeded(text, retry_after=wait)
