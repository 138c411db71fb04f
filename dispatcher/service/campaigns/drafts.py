"""Drafts: campaigns created with an audience's name or file, found by name, and changed field by field."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.domain.campaigns.pacing import Rate, Spread
from dispatcher.domain.errors import DispatchError, FieldError, InvalidPlan, NotFound
from dispatcher.domain.spelling import name_choices
from dispatcher.service.campaigns import audiences, campaigns
from dispatcher.service.campaigns.plan import validate_plan
from dispatcher.service.campaigns.recipient_file import ProgressHandler, RecipientFile, ignore_progress
from dispatcher.service.context import Context
from dispatcher.store.campaigns import names as campaign_names
from dispatcher.store.campaigns.campaigns import CampaignRow
from dispatcher.store.campaigns.names import CampaignNames

__all__ = [
    "CampaignNames",
    "change",
    "create",
    "create_with_file",
    "find",
    "find_faults",
    "names",
    "renamed_faults",
]

# Setting a field clears these others, unless they are set with it.
_ALTERNATIVES: Mapping[str, Sequence[str]] = {
    "text": ("template_id",),
    "template_id": ("text",),
    "at": ("cron", "first_day", "last_day"),
    "cron": ("at",),
    "spread": ("per_second",),
    "per_second": ("spread",),
}


async def find(ctx: Context, account: Account, name: str) -> CampaignRow:
    """Return a campaign by its public id or its name. Raises NotFound."""
    public_id = name
    if not _is_public_id(name):
        found = await ctx.database.single(lambda c: campaign_names.public_id(c, account.id, name))
        if found is None:
            known = await ctx.database.single(lambda c: campaign_names.of_campaigns(c, account.id))
            raise NotFound(f"account {account.name!r} has no campaign {name!r} ({name_choices(name, known)})")
        public_id = str(found)
    return await campaigns.find(ctx, account, public_id)


async def names(ctx: Context, rows: Sequence[CampaignRow]) -> dict[int, CampaignNames]:
    """Return the names that the terms of these campaigns refer to, by campaign number."""
    return await ctx.database.single(lambda c: campaign_names.names(c, [campaign.id for campaign in rows]))


async def create(ctx: Context, account: Account, plan: CampaignPlan) -> CampaignRow:
    """Return a new draft, as `campaigns.create` does; `audience_id` may also be the audience's name."""
    return await campaigns.create(ctx, account, await _with_audience_id(ctx, account, plan))


async def find_faults(ctx: Context, account: Account, plan: CampaignPlan) -> Sequence[FieldError]:
    """Return everything that keeps `create` from making a draft of a plan."""
    return await _faults(ctx, account, await _with_audience_id(ctx, account, plan))


async def create_with_file(
    ctx: Context,
    account: Account,
    plan: CampaignPlan,
    file: RecipientFile,
    *,
    audience: str,
    on_progress: ProgressHandler = ignore_progress,
) -> CampaignRow:
    """
    Return a new draft with an audience imported from a file; nothing is stored if either fails.

    The rest of the plan is validated before the file is read. Raises what
    `campaigns.create` and `audiences.import_file` do.
    """
    await _check_without_audience(ctx, account, plan)
    made = await audiences.import_file(ctx, account, audience, file, on_progress=on_progress)
    try:
        return await campaigns.create(ctx, account, replace(plan, audience_id=str(made.public_id)))
    except DispatchError:
        await audiences.remove(ctx, account, str(made.public_id))
        raise


async def change(ctx: Context, account: Account, public_id: str, fields: Mapping[str, object]) -> CampaignRow:
    """
    Change these fields of a draft's plan, named as in CampaignPlan, and return it.

    The other fields stay, except those that cannot be combined with a new one:
    a cron expression replaces a single time. Raises what `campaigns.change` does.
    """
    draft = await campaigns.find(ctx, account, public_id)
    plan = _plan(draft, (await names(ctx, [draft]))[draft.id])
    changes = dict(fields)
    for field, others in _ALTERNATIVES.items():
        if fields.get(field) not in (None, ""):
            changes |= {other: _EMPTY_VALUES[other] for other in others if other not in fields}
    changed = replace(plan, **changes)  # type: ignore[arg-type]  # the callers' fields are those of CampaignPlan
    return await campaigns.change(ctx, account, public_id, await _with_audience_id(ctx, account, changed))


@contextmanager
def renamed_faults(fields: Mapping[str, str]) -> Iterator[None]:
    """Raise an InvalidPlan from the body with the caller's own field names instead of CampaignPlan's."""
    try:
        yield
    except InvalidPlan as error:
        faults = [FieldError(fields.get(fault.field, fault.field), fault.sentence) for fault in error.faults]
        raise InvalidPlan(faults) from None


_EMPTY_VALUES: Mapping[str, object] = {
    field: "" if field == "text" else None for others in _ALTERNATIVES.values() for field in others
}


async def _check_without_audience(ctx: Context, account: Account, plan: CampaignPlan) -> None:
    """Raise InvalidPlan with the faults of a plan whose audience does not exist yet."""
    found = await _faults(ctx, account, replace(plan, audience_id=""))
    if rest := [fault for fault in found if fault.field != "audience_id"]:
        raise InvalidPlan(rest)


async def _faults(ctx: Context, account: Account, plan: CampaignPlan) -> Sequence[FieldError]:
    async def check(connection: AsyncConnection) -> None:
        await validate_plan(ctx, connection, account, plan, now=ctx.now())

    try:
        await ctx.database.transact(check)
    except InvalidPlan as error:
        return error.faults
    return ()


async def _with_audience_id(ctx: Context, account: Account, plan: CampaignPlan) -> CampaignPlan:
    """Return the plan with the audience's public id; an unknown audience stays, and validation reports it."""
    try:
        found = await audiences.find(ctx, account, plan.audience_id)
    except NotFound:
        return plan
    return replace(plan, audience_id=str(found.public_id))


def _plan(draft: CampaignRow, known: CampaignNames) -> CampaignPlan:
    terms, pacing = draft.terms, draft.terms.pacing
    return CampaignPlan(
        name=terms.name,
        audience_id=str(known.audience_id),
        text="" if known.template_id else terms.text,
        template_id=known.template_id,
        sender=known.sender,
        tier=terms.tier,
        validity=terms.validity,
        timezone=terms.timezone,
        at=terms.first_at,
        cron=terms.cron,
        first_day=terms.first_day,
        last_day=terms.last_day,
        spread=pacing.over if isinstance(pacing, Spread) else None,
        per_second=pacing.per_second if isinstance(pacing, Rate) else None,
        hours=None if terms.hours is None else terms.hours.as_dict(),
        max_cost=terms.max_cost,
        callback_url=terms.callback_url,
    )


def _is_public_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
