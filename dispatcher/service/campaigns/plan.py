"""Validation of a campaign's plan: reports all faults together, before anything is sent."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.callbacks.urls import check_url
from dispatcher.domain.campaigns.campaign import AudienceState, CampaignPlan
from dispatcher.domain.campaigns.pacing import Pacing, Rate, Spread
from dispatcher.domain.campaigns.recurrence import CronSchedule, RunOnce, Schedule, next_due
from dispatcher.domain.campaigns.timetable import Timetable, parse_zone_group
from dispatcher.domain.errors import FieldError, Invalid, InvalidPlan
from dispatcher.domain.hours.allowed_hours import AllowedHours, parse_hours
from dispatcher.domain.hours.zones import parse_zone
from dispatcher.domain.messages import template
from dispatcher.domain.messages.text import is_blank
from dispatcher.domain.messages.window import Window
from dispatcher.domain.spelling import name_choices
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.service.context import Context
from dispatcher.service.submissions.validate import measure_template
from dispatcher.store.accounts import accounts, senders
from dispatcher.store.accounts.accounts import TermsRequest
from dispatcher.store.campaigns import audiences
from dispatcher.store.campaigns.audiences import Audience
from dispatcher.store.campaigns.campaigns import CampaignRow, CampaignTerms
from dispatcher.store.submissions import templates
from dispatcher.store.submissions.new_messages import NewBatch

MAX_DURATION = timedelta(days=366)
"""The longest validity of a message, and the longest time to spread a run over."""

_LONGEST_NAME = 100
_NAMED = 1000  # audiences or templates, of which an error names some
_MAX_COST = 2**63 - 1
_MAX_PER_SECOND = 1_000_000  # recipients a second

T = TypeVar("T")


class _Faults(list[FieldError]):
    def add(self, field: str, sentence: str) -> None:
        self.append(FieldError(field, sentence))

    def read(self, field: str, read: Callable[[], T]) -> T | None:
        """Return the value of a field; None, and a fault, if `read` raises Invalid."""
        try:
            return read()
        except Invalid as error:
            self.add(field, str(error))
            return None


async def validate_plan(
    ctx: Context, connection: AsyncConnection, account: Account, plan: CampaignPlan, *, now: datetime
) -> CampaignTerms:
    """Return the terms of a valid plan. Raises InvalidPlan with all faults."""
    faults = _Faults()
    text, template_id = await _text(connection, account, plan, faults)
    audience = await _audience(connection, account, plan, faults)
    sender_id, validity = await _sender(connection, account, plan, faults)
    timezone, schedule = _schedule(account, plan, faults, now=now)
    pacing = _pacing(plan, faults)
    hours = None if plan.hours is None else faults.read("hours", lambda: parse_hours(plan.hours or {}))
    _check_name_and_limits(ctx, account, plan, faults)
    _check_text(ctx, text, audience, faults)
    if audience is not None and hours is not None:
        _check_hours(audience, hours, pacing, faults, now=now)
    if faults or audience is None or schedule is None or sender_id is None:
        raise InvalidPlan(faults)
    return CampaignTerms(
        name=plan.name.strip(),
        audience_id=audience.id,
        template_id=template_id,
        text=text,
        sender_id=sender_id,
        tier=plan.tier,
        validity=validity,
        timezone=timezone,
        first_at=schedule.at if isinstance(schedule, RunOnce) else None,
        cron=schedule.expression if isinstance(schedule, CronSchedule) else None,
        first_day=plan.first_day,
        last_day=plan.last_day,
        pacing=pacing,
        hours=hours,
        max_cost=plan.max_cost,
        callback_url=plan.callback_url,
    )


def text_faults(ctx: Context, text: str, audience: Audience | None) -> list[str]:
    """Return what is wrong with a text for all recipients; a run leaves out those for whom it is too long."""
    measured = measure_template(ctx, text)[1] if not is_blank(text) else ()
    faults = [f"{fault.kind.value}: {fault.advised_value}" for fault in measured]
    if audience is None:
        return faults
    return [*faults, *template.unknown_names(text, audience.columns, of="audience")]


def timetable(
    campaign: CampaignTerms,
    audience: Audience,
    *,
    starts_at: datetime,
    pauses: tuple[tuple[datetime, datetime], ...] = (),
) -> Timetable:
    """Return the timetable of a run that starts at `starts_at` and had these pauses."""
    return Timetable(
        starts_at,
        campaign.pacing,
        campaign.hours,
        tuple(map(parse_zone_group, audience.zones)),
        tuple(audience.zone_counts),
        pauses,
    )


def new_batch(campaign: CampaignRow, run_id: int, window: Window) -> NewBatch:
    """Return the one batch of a run; each of its messages has its own text and window."""
    terms = campaign.terms
    return NewBatch(
        public_id=uuid4(),
        account_id=campaign.account_id,
        dialect=MANAGE,
        tier=terms.tier,
        sender_id=terms.sender_id,
        window=window,
        text="",
        segments=0,
        messages=(),
        callback_url=terms.callback_url,
        template_id=terms.template_id,
        run_id=run_id,
    )


async def _text(
    connection: AsyncConnection, account: Account, plan: CampaignPlan, faults: _Faults
) -> tuple[str, int | None]:
    if plan.template_id is None:
        if is_blank(plan.text):
            faults.add("text", "a campaign needs a text or a template")
        return plan.text, None
    found = await templates.find(connection, account.id, plan.template_id)
    if found is None:
        known = await templates.page(connection, account.id, after=0, limit=_NAMED)
        choices = name_choices(plan.template_id, (f"{one.public_id} ({one.name})" for one in known))
        faults.add(
            "template_id", f"account {account.name!r} has no template {plan.template_id!r} ({choices})"
        )
        return "", None
    return found.text, found.id


async def _audience(
    connection: AsyncConnection, account: Account, plan: CampaignPlan, faults: _Faults
) -> Audience | None:
    try:
        public_id = UUID(plan.audience_id)
    except ValueError:
        public_id = None
    found = public_id and await audiences.lock_shared(connection, account.id, public_id)
    if not found:
        known = await audiences.page(connection, account.id, after=0, limit=_NAMED)
        choices = name_choices(plan.audience_id, (one.name for one in known))
        faults.add(
            "audience_id", f"account {account.name!r} has no audience {plan.audience_id!r} ({choices})"
        )
        return None
    if found.state is not AudienceState.READY:
        faults.add("audience_id", f"the audience {found.name!r} is still being read; wait until it is ready")
    elif not found.recipients:
        faults.add("audience_id", f"the audience {found.name!r} has no recipients")
    return found


async def _sender(
    connection: AsyncConnection, account: Account, plan: CampaignPlan, faults: _Faults
) -> tuple[int | None, timedelta | None]:
    """Return the sender, and the validity of the plan or else of the account."""
    [terms] = await accounts.terms(connection, [TermsRequest(account.id, plan.tier, None, plan.sender)])
    if terms.sender_id is None:
        named = f"no sender {plan.sender!r} that may be used" if plan.sender else "no default sender"
        known = await senders.list_all(connection, account.id)
        choices = name_choices(plan.sender or "", (one.name for one in known if one.disabled_at is None))
        faults.add("sender", f"account {account.name!r} has {named} ({choices})")
    if plan.validity is not None and not timedelta() < plan.validity <= MAX_DURATION:
        faults.add("validity", f"must be longer than zero and at most {MAX_DURATION.days} days")
    return terms.sender_id, plan.validity or terms.validity.get(plan.tier)


def _schedule(
    account: Account, plan: CampaignPlan, faults: _Faults, *, now: datetime
) -> tuple[str, Schedule | None]:
    name = plan.timezone or account.timezone
    zone = faults.read("timezone", lambda: parse_zone(name))
    if (plan.at is None) == (plan.cron is None):
        faults.add("at", 'say when: either once, "at" a time, or again and again by "cron"')
        return name, None
    if plan.at is not None:
        if plan.at.utcoffset() is None:
            faults.add("at", f"needs a time zone, got {plan.at.isoformat(' ')} without one")
            return name, None
        if plan.first_day or plan.last_day:
            faults.add("first_day", "first and last days are for campaigns that run again")
        if plan.at - now > MAX_DURATION * 2:
            faults.add("at", f"is more than {(MAX_DURATION * 2).days} days ahead")
        return name, RunOnce(plan.at)
    if zone is None:
        return name, None
    schedule = faults.read("cron", lambda: CronSchedule(plan.cron or "", zone, plan.first_day, plan.last_day))
    if schedule is not None and next_due(schedule, after=now) is None:
        faults.add("last_day", f'"{plan.cron}" does not fire any more up to {plan.last_day}')
    return name, schedule


def _pacing(plan: CampaignPlan, faults: _Faults) -> Pacing:
    if plan.spread is not None and plan.per_second is not None:
        faults.add("spread", "spread a run over a time, or limit its rate, not both")
    elif plan.spread is not None:
        if plan.spread > MAX_DURATION:
            faults.add("spread", f"is at most {MAX_DURATION.days} days")
        return faults.read("spread", lambda: Spread(plan.spread or timedelta()))
    elif plan.per_second is not None:
        rate = round(plan.per_second, 3)
        if rate > _MAX_PER_SECOND:
            faults.add("per_second", f"is at most {_MAX_PER_SECOND:,}; leave it out for all at once")
            return None
        return faults.read("per_second", lambda: Rate(rate))
    return None


def _check_name_and_limits(ctx: Context, account: Account, plan: CampaignPlan, faults: _Faults) -> None:
    if not 1 <= len(plan.name.strip()) <= _LONGEST_NAME or not plan.name.isprintable():
        faults.add("name", f"has 1 to {_LONGEST_NAME} printable characters")
    tiers = list(Tier)
    highest = account.limits.tier or Tier.CRITICAL
    if tiers.index(plan.tier) < tiers.index(highest):
        faults.add("tier", f"account {account.name!r} may send {highest} at most")
    if plan.max_cost is not None and not 1 <= plan.max_cost <= _MAX_COST:
        faults.add("max_cost", "is at least 1 credit; leave it out for no maximum")
    if plan.callback_url is not None:
        fault = check_url(plan.callback_url, ctx.url_rules)
        if fault:
            faults.add("callback_url", fault)


def _check_text(ctx: Context, text: str, audience: Audience | None, faults: _Faults) -> None:
    for sentence in text_faults(ctx, text, audience):
        faults.add("text", sentence)


def _check_hours(
    audience: Audience, hours: AllowedHours, pacing: Pacing, faults: _Faults, *, now: datetime
) -> None:
    groups = tuple(map(parse_zone_group, audience.zones))
    plan = Timetable(now, pacing, hours, groups, tuple(audience.zone_counts))
    for zones in plan.never_open():
        faults.add("hours", f"never open together for recipients who may be in {zones}")
