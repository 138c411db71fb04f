"""
The transaction that accepts submissions: one, or many that came at the same moment.

Each is judged by itself, before anything is written, and those that are
refused leave the others as they are.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.budget import AccountBudget
from dispatcher.domain.errors import (
    AlreadyExists,
    DispatchError,
    Fault,
    FaultKind,
    InvalidSubmission,
    NotEnoughCredit,
    StillRunning,
)
from dispatcher.domain.messages.status import Place
from dispatcher.domain.messages.submission import AcceptedBatch, StoredResponse, WithoutCredit
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import TIER_LIMITS
from dispatcher.service.accounts import hours
from dispatcher.service.context import Context
from dispatcher.service.lane_depth import LaneRoom
from dispatcher.service.submissions import idempotency, quotas
from dispatcher.service.submissions.batches import accepted_batch, new_batch, repeated_batch
from dispatcher.service.submissions.new_messages import MessageBuilder
from dispatcher.service.submissions.validate import ValidatedSubmission, ValidRecipient, unknown_sender
from dispatcher.store.accounts import accounts, ledger, opt_outs
from dispatcher.store.accounts.accounts import AccountTerms, TermsRequest
from dispatcher.store.accounts.ledger import Charge
from dispatcher.store.clock import sweeps
from dispatcher.store.submissions import new_messages
from dispatcher.store.submissions.new_messages import NewBatch, WrittenBatch
from dispatcher.store.submissions.quotas import EarlierMessage

AcceptResult = AcceptedBatch | StoredResponse | DispatchError
"""A batch; the answer, where the submission has an idempotency key; or a refusal."""


class _Outdated(Exception):
    """Rolls the transaction back: another one spent what these submissions were judged by."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A submission that may be accepted, and the earlier messages that it repeats, by number."""

    position: int
    validated: ValidatedSubmission
    joined: Mapping[str, EarlierMessage]

    @property
    def fresh(self) -> Sequence[ValidRecipient]:
        """The recipients of new messages."""
        return [r for r in self.validated.recipients if r.number.e164 not in self.joined]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A submission that is accepted, and the batch to be written for it; None if it only repeats others."""

    candidate: _Candidate
    window: Window
    new: NewBatch | None
    is_capped: bool


@dataclass(slots=True)
class _Shared:
    """What the submissions of one transaction share: each leaves less of it to those after it."""

    now: datetime
    room: LaneRoom
    opted_out: Collection[tuple[int, int | None, str]]
    budgets: dict[int, AccountBudget] = field(default_factory=dict)
    external_ids: set[tuple[int, str, str]] = field(default_factory=set)

    def budget(self, account_id: int, terms: AccountTerms) -> AccountBudget:
        """Return what is left of an account's balance and day."""
        counted = terms.counted if terms.counted_on == quotas.today(self.now) else 0
        return self.budgets.setdefault(account_id, AccountBudget(terms.balance, terms.daily_cap, counted))


@dataclass(slots=True)
class _Done:
    """The outcomes of a transaction by position, and the batches that it wrote."""

    outcomes: dict[int, AcceptResult]
    written: list[tuple[NewBatch, WrittenBatch]] = field(default_factory=list)


async def accept(ctx: Context, submissions: Sequence[ValidatedSubmission]) -> list[AcceptResult]:
    """
    Accept submissions, each judged by itself; return an outcome for each, in order. Raises Unavailable.

    Balances and daily counts are read before rows are written and change
    after that, as late as can be. If another transaction spent them in
    between, all is done once more, with the accounts locked from the start.
    """
    try:
        done = await ctx.database.transact(lambda c: _accept(ctx, c, submissions, locked=False))
    except _Outdated:
        done = await ctx.database.transact(lambda c: _accept(ctx, c, submissions, locked=True))
    for new, written in done.written:
        _publish(ctx, new, written)
    return [done.outcomes[position] for position in range(len(submissions))]


async def _accept(
    ctx: Context, connection: AsyncConnection, submissions: Sequence[ValidatedSubmission], *, locked: bool
) -> _Done:
    outcomes: dict[int, AcceptResult] = {}
    candidates: list[_Candidate] = []
    keys: set[tuple[int, str, str]] = set()
    for position, validated in enumerate(submissions):
        found = await _before(ctx, connection, validated, keys)
        if isinstance(found, StoredResponse | DispatchError):
            outcomes[position] = found
        else:
            candidates.append(_Candidate(position, validated, found))
    accepted: list[_Judged] = []
    if candidates:
        if locked:
            await ledger.lock(connection, {c.validated.caller.account.id for c in candidates})
        for candidate, judged in zip(candidates, await _judge(ctx, connection, candidates), strict=True):
            if isinstance(judged, _Judged):
                accepted.append(judged)
            else:
                outcomes[candidate.position] = judged
    done = _Done(outcomes)
    await _write(ctx, connection, accepted, done)
    return done


async def _before(
    ctx: Context, connection: AsyncConnection, validated: ValidatedSubmission, keys: set[tuple[int, str, str]]
) -> StoredResponse | Mapping[str, EarlierMessage] | DispatchError:
    """
    Return the earlier answer to an idempotency key, the earlier messages that are repeated, or a refusal.

    `keys` are those of the submissions before it in this transaction, which
    the database cannot tell apart from it.
    """
    try:
        if validated.once is not None:
            owner = validated.caller.account.id, validated.caller.dialect, validated.once.key
            if owner in keys:
                return StillRunning(idempotency.STILL_RUNNING)
            keys.add(owner)
            answer = await idempotency.find_response(ctx, connection, validated.caller, validated.once)
            if answer is not None:
                return answer
        return await quotas.check(ctx, connection, validated)
    except DispatchError as refused:
        return refused


async def _judge(
    ctx: Context, connection: AsyncConnection, candidates: Sequence[_Candidate]
) -> list[_Judged | DispatchError]:
    """Return for each submission the batch to be written, or a refusal."""
    terms = await accounts.terms(connection, [_wanted(candidate.validated) for candidate in candidates])
    asked = [
        (candidate.validated.caller.account.id, term.sender_id, number)
        for candidate, term in zip(candidates, terms, strict=True)
        for number in candidate.validated.numbers
    ]
    opted_out = await opt_outs.find_opted_out(connection, asked)
    room = LaneRoom(ctx, await sweeps.lane_depths(connection, {c.validated.tier for c in candidates}))
    shared = _Shared(ctx.now(), room, opted_out)
    judged: list[_Judged | DispatchError] = []
    for candidate, term in zip(candidates, terms, strict=True):
        try:
            judged.append(await _judge_one(ctx, candidate, term, shared))
        except DispatchError as refused:
            judged.append(refused)
    return judged


async def _judge_one(ctx: Context, candidate: _Candidate, terms: AccountTerms, shared: _Shared) -> _Judged:
    """
    Return the batch to be written for a submission.

    Raises InvalidSubmission, AlreadyExists, TooMany and NotEnoughCredit.
    """
    builder = await _builder(ctx, candidate, terms, shared)
    validated, fresh = candidate.validated, candidate.fresh
    budget = shared.budget(validated.caller.account.id, terms)
    if candidate.joined and not fresh:
        return _Judged(candidate, builder.window, None, is_capped=False)
    external_id = validated.submission.external_id
    owned = validated.caller.account.id, validated.caller.dialect, external_id or ""
    if external_id is not None and (terms.is_taken or owned in shared.external_ids):
        raise _already_exists(external_id)
    new = await new_batch(validated, builder, fresh)
    if budget.daily_cap is not None and not budget.permits(new.open_messages):
        raise quotas.over_daily_cap(budget.daily_cap, shared.now)
    if not budget.covers(new.cost):
        if validated.submission.without_credit is WithoutCredit.REFUSE:
            raise NotEnoughCredit("the balance does not cover this submission; nothing was kept")
        new = await new_batch(validated, replace(builder, is_covered=False), fresh)
    budget.spend(new.cost, new.open_messages)
    shared.room.take(validated.tier, sum(message.place is Place.LANE for message in new.messages))
    if external_id is not None:
        shared.external_ids.add(owned)
    return _Judged(candidate, builder.window, new, is_capped=budget.daily_cap is not None)


async def _builder(
    ctx: Context, candidate: _Candidate, terms: AccountTerms, shared: _Shared
) -> MessageBuilder:
    """Return the builder of a submission's messages. Raises InvalidSubmission."""
    validated, now = candidate.validated, shared.now
    window = _window(validated, terms, now)
    if terms.sender_id is None and validated.names_a_sender:
        raise InvalidSubmission([unknown_sender(validated.submission)])
    applied = hours.effective(ctx, terms.hours, validated.tier)
    return MessageBuilder(
        ctx=ctx,
        caller=validated.caller,
        tier=validated.tier,
        window=window,
        now=now,
        sender_id=terms.sender_id,
        sender=terms.sender,
        opted_out=shared.opted_out,
        to_lane=window.not_before <= now and shared.room.fits(validated.tier, len(validated.recipients)),
        openings=await hours.openings(applied, validated.numbers, window=window),
    )


def _wanted(validated: ValidatedSubmission) -> TermsRequest:
    submission, caller = validated.submission, validated.caller
    return TermsRequest(
        caller.account.id,
        validated.tier,
        submission.sender_id,
        submission.sender_name,
        dialect=caller.dialect,
        external_id=submission.external_id,
    )


def _window(validated: ValidatedSubmission, terms: AccountTerms, now: datetime) -> Window:
    submission, tier = validated.submission, validated.tier
    validity = terms.validity.get(tier) or submission.default_validity or TIER_LIMITS[tier].validity
    try:
        return Window.of(
            now, not_before=submission.not_before, not_after=submission.not_after, validity=validity
        )
    except ValueError:
        fault = Fault("not_after", FaultKind.WINDOW_OVER, str(submission.not_after))
        raise InvalidSubmission([fault]) from None


def _already_exists(external_id: str | None) -> AlreadyExists:
    return AlreadyExists(f"there is a batch with the id {external_id!r} already")


async def _write(ctx: Context, connection: AsyncConnection, accepted: Sequence[_Judged], done: _Done) -> None:
    """Write the new batches, keep the answers, and take the credits. Raises _Outdated."""
    now = ctx.now()
    new = [judged.new for judged in accepted if judged.new is not None]
    written = iter(await new_messages.insert(connection, new, now=now) if new else [])
    charges: list[Charge] = []
    for judged in accepted:
        validated, joined = judged.candidate.validated, judged.candidate.joined
        if judged.new is None:
            batch = repeated_batch(validated, joined, window=judged.window)
        elif (ids := next(written)) is None:  # another transaction wrote this external id meanwhile
            done.outcomes[judged.candidate.position] = _already_exists(judged.new.external_id)
            continue
        else:
            batch = accepted_batch(validated, judged.new, ids, joined=joined, now=now)
            done.written.append((judged.new, ids))
            if batch.charged or (judged.is_capped and judged.new.open_messages):
                charges.append(
                    Charge(judged.new.account_id, batch.id, batch.charged, judged.new.open_messages)
                )
        done.outcomes[judged.candidate.position] = (
            batch
            if validated.once is None
            else await idempotency.store_response(ctx, connection, validated.caller, validated.once, batch)
        )
    if not await ledger.charge(connection, charges, today=quotas.today(now)):
        raise _Outdated


def _publish(ctx: Context, new: NewBatch, written: WrittenBatch) -> None:
    """Put messages into their lane, or wake the clock; it finds them by itself if this is lost."""
    places = {id_: message.place for id_, message in zip(written.message_ids, new.messages, strict=True)}
    in_lane = [id_ for id_, place in places.items() if place is Place.LANE]
    if in_lane:
        ctx.lanes.publish(new.tier, in_lane)
    elif any(place is not None for place in places.values()):
        ctx.lanes.wake(new.window.not_before)
