"""Campaigns as they are stored."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.campaigns.campaign import CampaignState, validity_of
from dispatcher.domain.campaigns.pacing import Pacing, Rate, Spread
from dispatcher.domain.campaigns.recurrence import CronSchedule, RunOnce, Schedule
from dispatcher.domain.hours.allowed_hours import AllowedHours, parse_hours
from dispatcher.domain.hours.zones import parse_zone
from dispatcher.domain.tier import Tier


@dataclass(frozen=True, slots=True)
class CampaignTerms:
    """The validated plan of a campaign. `validity` None is the tier's."""

    name: str
    audience_id: int
    template_id: int | None
    text: str
    sender_id: int
    tier: Tier
    validity: timedelta | None
    timezone: str
    first_at: datetime | None
    cron: str | None
    first_day: date | None
    last_day: date | None
    pacing: Pacing
    hours: AllowedHours | None
    max_cost: int | None
    callback_url: str | None

    @property
    def schedule(self) -> Schedule:
        """When the campaign runs."""
        if self.cron is None:
            assert self.first_at is not None
            return RunOnce(self.first_at)
        return CronSchedule(self.cron, parse_zone(self.timezone), self.first_day, self.last_day)

    @property
    def message_validity(self) -> timedelta:
        """How long each message may be sent."""
        return validity_of(self.validity, self.tier)


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A stored campaign. `next_due` None means that no more runs follow."""

    id: int
    public_id: UUID
    account_id: int
    state: CampaignState
    reason: str
    terms: CampaignTerms
    next_due: datetime | None
    paused_at: datetime | None
    created_at: datetime


COLUMNS = """
c.id, c.public_id, c.account_id, c.name, c.state, c.reason, c.audience_id, c.template_id, c.text, c.sender_id,
c.tier, c.validity, c.timezone, c.first_at, c.cron, c.first_day, c.last_day, c.spread, c.per_second, c.hours,
c.max_cost, c.callback_url, c.next_due, c.paused_at, c.created_at
"""
_TERM_COLUMNS = (
    "name",
    "audience_id",
    "template_id",
    "text",
    "sender_id",
    "tier",
    "validity",
    "timezone",
    "first_at",
    "cron",
    "first_day",
    "last_day",
    "spread",
    "per_second",
    "hours",
    "max_cost",
    "callback_url",
)
_VALUES = ", ".join("CAST(:hours AS jsonb)" if name == "hours" else f":{name}" for name in _TERM_COLUMNS)

_UNIQUE_VIOLATION = "23505"

_INSERT = text(f"""
INSERT INTO campaigns AS c (public_id, account_id, state, created_at, {", ".join(_TERM_COLUMNS)})
VALUES (:public_id, :account_id, 'draft', :now, {_VALUES})
ON CONFLICT (account_id, name) DO NOTHING RETURNING {COLUMNS}
""")
_CHANGE = text(f"""
UPDATE campaigns c SET ({", ".join(_TERM_COLUMNS)}) = ROW({_VALUES}) WHERE c.id = :id RETURNING {COLUMNS}
""")
_FIND = text(f"SELECT {COLUMNS} FROM campaigns c WHERE account_id = :account_id AND public_id = :public_id")
_LOCK = text(f"{_FIND.text} FOR UPDATE")
_BY_ID = text(f"SELECT {COLUMNS} FROM campaigns c WHERE id = :id")
_LOCK_BY_ID = text(f"{_BY_ID.text} FOR UPDATE")
_PAGE = text(f"""
SELECT {COLUMNS} FROM campaigns c WHERE account_id = :account_id AND id > :after ORDER BY id LIMIT :limit
""")
_NEXT = text(f"""
SELECT {COLUMNS} FROM campaigns c
WHERE state = 'active' AND next_due <= :until ORDER BY next_due LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_SET = text("""
UPDATE campaigns SET state = :state, reason = :reason, next_due = :next_due, paused_at = :paused_at
WHERE id = :id
""")
_FINISH = text("""
UPDATE campaigns c SET state = 'finished'
WHERE c.id = ANY(CAST(:ids AS bigint[])) AND c.state = 'active' AND c.next_due IS NULL
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.campaign_id = c.id AND r.state IN ('expanding', 'sending'))
""")


async def insert(
    connection: AsyncConnection, account_id: int, terms: CampaignTerms, *, public_id: UUID, now: datetime
) -> CampaignRow | None:
    """Write a draft and return it; None means that the name is taken."""
    values = {"public_id": public_id, "account_id": account_id, "now": now, **_values(terms)}
    return _found((await connection.execute(_INSERT, values)).one_or_none())


async def change(connection: AsyncConnection, campaign_id: int, terms: CampaignTerms) -> CampaignRow | None:
    """Change the terms of a locked draft and return it; None means that the name is taken."""
    try:
        async with connection.begin_nested():
            return _found((await connection.execute(_CHANGE, {"id": campaign_id, **_values(terms)})).one())
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) == _UNIQUE_VIOLATION:
            return None
        raise


async def find(
    connection: AsyncConnection, account_id: int, public_id: UUID, *, lock: bool = False
) -> CampaignRow | None:
    """Return a campaign of this account; with `lock`, it is locked until the transaction ends."""
    values = {"account_id": account_id, "public_id": public_id}
    return _found((await connection.execute(_LOCK if lock else _FIND, values)).one_or_none())


async def by_id(connection: AsyncConnection, campaign_id: int, *, lock: bool = False) -> CampaignRow:
    """Return a campaign that exists; with `lock`, it is locked until the transaction ends."""
    found = await connection.execute(_LOCK_BY_ID if lock else _BY_ID, {"id": campaign_id})
    return campaign_of(found.one())


async def page(connection: AsyncConnection, account_id: int, *, after: int, limit: int) -> list[CampaignRow]:
    """Return campaigns of an account, the oldest first, after the one with the id `after`."""
    rows = await connection.execute(_PAGE, {"account_id": account_id, "after": after, "limit": limit})
    return [campaign_of(row) for row in rows]


async def lock_next(connection: AsyncConnection, *, until: datetime) -> CampaignRow | None:
    """Lock and return the active campaign with the earliest next run, if it is due by `until`."""
    return _found((await connection.execute(_NEXT, {"until": until})).one_or_none())


async def set_state(
    connection: AsyncConnection,
    campaign_id: int,
    state: CampaignState,
    *,
    next_due: datetime | None,
    reason: str = "",
    paused_at: datetime | None = None,
) -> None:
    """Write the new state of a locked campaign."""
    values = {"id": campaign_id, "state": state.value, "reason": reason, "next_due": next_due}
    await connection.execute(_SET, {**values, "paused_at": paused_at})


async def finish(connection: AsyncConnection, campaign_ids: Sequence[int]) -> None:
    """Finish those of these campaigns that have no open run and no next one."""
    await connection.execute(_FINISH, {"ids": list(campaign_ids)})


def campaign_of(row: Row[Any]) -> CampaignRow:
    """Return the campaign in a row that has COLUMNS."""
    terms = CampaignTerms(
        name=row.name,
        audience_id=row.audience_id,
        template_id=row.template_id,
        text=row.text,
        sender_id=row.sender_id,
        tier=Tier(row.tier),
        validity=row.validity,
        timezone=row.timezone,
        first_at=row.first_at,
        cron=row.cron,
        first_day=row.first_day,
        last_day=row.last_day,
        pacing=_pacing(row),
        hours=None if row.hours is None else parse_hours(row.hours),
        max_cost=row.max_cost,
        callback_url=row.callback_url,
    )
    return CampaignRow(
        id=row.id,
        public_id=row.public_id,
        account_id=row.account_id,
        state=CampaignState(row.state),
        reason=row.reason,
        terms=terms,
        next_due=row.next_due,
        paused_at=row.paused_at,
        created_at=row.created_at,
    )


def _found(row: Row[Any] | None) -> CampaignRow | None:
    return None if row is None else campaign_of(row)


def _pacing(row: Row[Any]) -> Pacing:
    if row.spread is not None:
        return Spread(row.spread)
    return None if row.per_second is None else Rate(float(row.per_second))


def _values(terms: CampaignTerms) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(terms, name, None) for name in _TERM_COLUMNS}
    pacing, hours = terms.pacing, terms.hours
    return values | {
        "tier": terms.tier.value,
        "spread": pacing.over if isinstance(pacing, Spread) else None,
        "per_second": pacing.per_second if isinstance(pacing, Rate) else None,
        "hours": None if hours is None else json.dumps(hours.as_dict()),
    }
