"""Audiences: lists of recipients, imported from a file and stored for campaigns."""

from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.campaigns.campaign import AudienceState
from dispatcher.domain.campaigns.csv_rejects import FileFormat, reject_header, reject_line
from dispatcher.domain.errors import AlreadyExists, Conflict, Invalid, NotFound
from dispatcher.domain.hours.zones import zones_of
from dispatcher.domain.spelling import name_choices
from dispatcher.service.campaigns.recipient_file import (
    Candidate,
    ImportProgress,
    ProgressHandler,
    RecipientChunk,
    RecipientFile,
    drop_repeats,
    ignore_progress,
    open_recipients,
)
from dispatcher.service.campaigns.text_survey import TextSurvey
from dispatcher.service.context import Context
from dispatcher.service.yielding import yielding
from dispatcher.store.campaigns import audiences
from dispatcher.store.campaigns import rejects as rejected_rows
from dispatcher.store.campaigns.audiences import Audience, NewRecipient, Recipient
from dispatcher.store.campaigns.rejects import Reject

__all__ = ["Audience", "Reject", "find", "import_file", "page", "reject_file", "rejects", "remove"]

_LONGEST_NAME = 100
_NAMED = 1000  # audiences, of which an error names some
_REJECTS_PAGE = 1000
_DRAIN = 10_000  # rows: some hundred milliseconds


async def import_file(
    ctx: Context,
    account: Account,
    name: str,
    file: RecipientFile,
    *,
    survey: TextSurvey | None = None,
    on_progress: ProgressHandler = ignore_progress,
) -> Audience:
    """
    Store the recipients of a file under a name, each number once, and return the audience.

    A `survey` sees each recipient; a text that the file cannot fill is refused.
    Other lines are stored as rejects. Each chunk of the file has its own
    transaction: an import that is interrupted leaves an audience that is not
    ready, and the next import under its name replaces it. Raises
    AlreadyExists if an audience of that name is ready, and Invalid for a bad
    name, an unusable file, and a file without any recipient.
    """
    name = _check_name(name)
    await _refuse_ready(ctx, account, name)
    async with open_recipients(ctx, account, file) as reading:
        if survey is not None:
            survey.check(reading.columns, of="file")
        audience = await _begin(ctx, account, name, reading.columns, reading.format)
        async for chunk in reading.read_chunks():
            audience, fresh = await _write(ctx, audience, chunk)
            if survey is not None:
                await _survey(survey, fresh)
            on_progress(ImportProgress(reading.bytes, audience.rows, audience.recipients, audience.rejects))
    return await _finish(ctx, audience)


async def find(ctx: Context, account: Account, name: str) -> Audience:
    """Return an audience by its name or its public id. Raises NotFound."""
    found = await ctx.database.single(lambda c: audiences.find(c, account.id, _public_id(name) or name))
    if found is None:
        choices = name_choices(name, (a.name for a in await page(ctx, account, limit=_NAMED)))
        raise NotFound(f"account {account.name!r} has no audience {name!r} ({choices})")
    return found


async def page(ctx: Context, account: Account, *, after: int = 0, limit: int = 100) -> list[Audience]:
    """Return an account's audiences, the oldest first."""
    return await ctx.database.single(lambda c: audiences.page(c, account.id, after=after, limit=limit))


async def rejects(ctx: Context, audience: Audience) -> AsyncIterator[Reject]:
    """Yield the rejected lines in the order of the file; reads 1,000 at a time."""
    line = 0
    while found := await _rejects_after(ctx, audience, line):
        for reject in found:
            yield reject
        line = found[-1].line


async def reject_file(ctx: Context, audience: Audience) -> AsyncIterator[str]:
    """Yield the lines of the file of rejects: whole rows, to be corrected and imported again."""
    yield reject_header(audience.file)
    async for reject in rejects(ctx, audience):
        yield reject_line(audience.file, **reject._asdict())


async def remove(ctx: Context, account: Account, name: str) -> None:
    """Delete an audience. Raises NotFound, and Conflict while a campaign uses it."""
    await _remove(ctx, await find(ctx, account, name))


async def _begin(
    ctx: Context, account: Account, name: str, columns: Sequence[str], file: FileFormat
) -> Audience:
    """Write a new audience and return it; replace one of this name that is not ready."""
    public_id = uuid4()
    while True:
        made = await ctx.database.single(
            lambda c: audiences.insert(
                c, account.id, public_id=public_id, name=name, columns=columns, file=file
            )
        )
        if made is not None:
            return made
        unready = await _refuse_ready(ctx, account, name)
        if unready is not None:
            await _remove(ctx, unready, unless_ready=True)


async def _write(
    ctx: Context, audience: Audience, chunk: RecipientChunk
) -> tuple[Audience, Sequence[Candidate]]:
    """Write a chunk; return the audience, and the rows that became recipients."""
    groups = {c.number.e164: _zone_group(c.number.e164) async for c in yielding(chunk.candidates)}

    async def work(connection: AsyncConnection) -> tuple[Audience, Sequence[Candidate]]:
        locked = await audiences.lock_importing(connection, audience.id)
        if locked is None:
            raise _replaced(audience)
        earlier = await audiences.lines_of(connection, locked.id, list(groups))
        fresh, repeated = drop_repeats(chunk.candidates, earlier)
        zones = list(dict.fromkeys([*locked.zones, *(groups[c.number.e164] for c in fresh)]))
        new = _recipients(
            fresh, groups, {group: index for index, group in enumerate(zones)}, locked.recipients
        )
        added = await audiences.add(connection, locked, new, [*chunk.rejects, *repeated], zones=zones)
        return added, fresh

    return await ctx.database.transact(work)


def _recipients(
    fresh: Sequence[Candidate], groups: Mapping[str, str], zones: Mapping[str, int], last: int
) -> list[NewRecipient]:
    """Return the recipients with their positions, counted from `last`."""
    return [
        NewRecipient(
            one.line,
            Recipient(
                position,
                one.number.e164,
                one.written,
                one.number.country,
                zones[groups[one.number.e164]],
                one.variables,
            ),
        )
        for position, one in enumerate(fresh, start=last + 1)
    ]


async def _survey(survey: TextSurvey, fresh: Sequence[Candidate]) -> None:
    async for one in yielding(fresh):
        filled = survey.fill(one.variables)
        if not filled.fault:
            survey.add(one.written, one.variables, filled)


async def _finish(ctx: Context, audience: Audience) -> Audience:
    if audience.recipients == 0:
        first = await _rejects_after(ctx, audience, 0, limit=1)
        cause = f"; line {first[0].line}: {first[0].reason}" if first else ", and no line below its header"
        raise Invalid(f"the file has no recipient{cause}")
    ready = await ctx.database.single(lambda c: audiences.finish(c, audience.id, now=ctx.now()))
    if ready is None:
        raise _replaced(audience)
    return ready


async def _remove(ctx: Context, audience: Audience, *, unless_ready: bool = False) -> None:
    """Delete in bounded steps; the next deletion finishes one that was interrupted."""

    async def retire(connection: AsyncConnection) -> None:
        state = await audiences.lock(connection, audience.id)
        if state is AudienceState.READY and unless_ready:
            raise _name_taken(audience.name)
        campaign = await audiences.campaign_of(connection, audience.id)
        if campaign is not None:
            raise Conflict(
                f"campaign {campaign!r} uses the audience {audience.name!r}, so it cannot be removed"
            )
        await audiences.start_removal(connection, audience.id)

    await ctx.database.transact(retire)
    while await ctx.database.transact(lambda c: audiences.delete_chunk(c, audience.id, limit=_DRAIN)):
        pass
    await ctx.database.single(lambda c: audiences.delete(c, audience.id))


async def _refuse_ready(ctx: Context, account: Account, name: str) -> Audience | None:
    """Return the audience of this name, if there is one. Raises AlreadyExists if it is ready."""
    found = await ctx.database.single(lambda c: audiences.find(c, account.id, name))
    if found is not None and found.state is AudienceState.READY:
        raise _name_taken(name)
    return found


async def _rejects_after(
    ctx: Context, audience: Audience, line: int, *, limit: int = _REJECTS_PAGE
) -> list[Reject]:
    return await ctx.database.single(
        lambda c: rejected_rows.page(
            c, audience.id, are_rows=bool(audience.file.columns), after_line=line, limit=limit
        )
    )


def _name_taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"an audience {name!r} exists already, and audiences never change: use another name")


def _replaced(audience: Audience) -> Conflict:
    return Conflict(
        f"the audience {audience.name!r} was removed or replaced during this import, so the import has ended"
    )


def _zone_group(number: str) -> str:
    return ",".join(zone.key for zone in zones_of(number))


def _check_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or "/" in name:
        raise Invalid(
            f"an audience's name has 1 to {_LONGEST_NAME} printable characters and no slash, got {name!r}"
        )
    if _public_id(name) is not None:
        raise Invalid(f"{name!r} looks like a public id: use a name that does not")
    return name


def _public_id(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
