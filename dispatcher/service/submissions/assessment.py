"""
Assessment: which of the submissions of one transaction are accepted, and the batches to be written for them.

Each submission is assessed by itself, before any row is written. What it uses
of the account's budget and of the room in the lanes is not left for those
after it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.accounts.credits import AccountBudget
from dispatcher.domain.errors import (
    AlreadyExists,
    DispatchError,
    Fault,
    InvalidSubmission,
    NotEnoughCredit,
)
from dispatcher.domain.messages.status import Place
from dispatcher.domain.messages.submission import WithoutCredit
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.service.accounts import hours
from dispatcher.service.context import Context
from dispatcher.service.lane_depth import LaneRoom
from dispatcher.service.submissions import quotas
from dispatcher.service.submissions.new_messages import MessageBuilder, new_batch
from dispatcher.service.submissions.validate import (
    ValidatedSubmission,
    ValidRecipient,
    unknown_sender,
    window_over,
)
from dispatcher.store.accounts import accounts, opt_outs
from dispatcher.store.accounts.accounts import AccountTerms, TermsRequest
from dispatcher.store.clock import sweeps
from dispatcher.store.submissions.new_messages import NewBatch
from dispatcher.store.submissions.quotas import EarlierMessage


@dataclass(frozen=True, slots=True)
class CandidateSubmission:
    """A submission that may be accepted; `joined` are the earlier messages that it repeats, by number."""

    position: int
    validated: ValidatedSubmission
    joined: Mapping[str, EarlierMessage]

    @property
    def new_recipients(self) -> Sequence[ValidRecipient]:
        """The recipients of new messages."""
        return [r for r in self.validated.recipients if r.number.e164 not in self.joined]


@dataclass(frozen=True, slots=True)
class AssessedSubmission:
    """A submission that is accepted, and the batch to be written for it; None if it only repeats others."""

    candidate: CandidateSubmission
    window: Window
    new: NewBatch | None
    is_capped: bool


@dataclass(slots=True)
class _Shared:
    """Values that the submissions of one transaction share; each leaves less of them to those after it."""

    now: datetime
    room: LaneRoom | None  # None if no message may go straight into its lane
    opted_out: Collection[tuple[int, int | None, str]]
    budgets: dict[int, AccountBudget] = field(default_factory=dict)
    external_ids: set[tuple[int, str, str]] = field(default_factory=set)

    def has_room(self, tier: Tier, count: int) -> bool:
        """Whether this many messages may go straight into their lane."""
        return self.room is not None and self.room.fits(tier, count)

    def budget(self, account_id: int, terms: AccountTerms) -> AccountBudget:
        """Return the balance and the daily messages that an account has left."""
        counted = terms.counted if terms.counted_on == quotas.today(self.now) else 0
        return self.budgets.setdefault(account_id, AccountBudget(terms.balance, terms.daily_cap, counted))


async def assess(
    ctx: Context, connection: AsyncConnection, candidates: Sequence[CandidateSubmission], *, to_lanes: bool
) -> list[AssessedSubmission | DispatchError]:
    """
    Return for each candidate, in order, the batch to be written or the error that refuses it.

    Messages that are due may go straight into their lane only with `to_lanes`.
    """
    terms = await accounts.terms(
        connection, [_terms_request(candidate.validated) for candidate in candidates]
    )
    addressed = [
        (candidate.validated.caller.account.id, term.sender_id, number)
        for candidate, term in zip(candidates, terms, strict=True)
        for number in candidate.validated.numbers
    ]
    opted_out = await opt_outs.find_opted_out(connection, addressed)
    tiers = {candidate.validated.tier for candidate in candidates}
    room = LaneRoom(ctx, await sweeps.lane_depths(connection, tiers)) if to_lanes else None
    shared = _Shared(ctx.now(), room, opted_out)
    assessed: list[AssessedSubmission | DispatchError] = []
    for candidate, term in zip(candidates, terms, strict=True):
        try:
            assessed.append(await _assess_one(ctx, candidate, term, shared))
        except DispatchError as refusal:
            assessed.append(refusal)
    return assessed


async def _assess_one(
    ctx: Context, candidate: CandidateSubmission, terms: AccountTerms, shared: _Shared
) -> AssessedSubmission:
    """
    Return the batch to be written for a submission.

    Raises InvalidSubmission, AlreadyExists, LimitExceeded and NotEnoughCredit.
    """
    builder = await _builder(ctx, candidate, terms, shared)
    validated, recipients = candidate.validated, candidate.new_recipients
    budget = shared.budget(validated.caller.account.id, terms)
    if candidate.joined and not recipients:
        return AssessedSubmission(candidate, builder.window, None, is_capped=False)
    external_id = validated.submission.external_id
    owned = validated.caller.account.id, validated.caller.dialect, external_id or ""
    if external_id is not None and (terms.is_taken or owned in shared.external_ids):
        raise already_exists(external_id)
    new = await new_batch(validated, builder, recipients)
    if budget.daily_cap is not None and not budget.permits(new.open_messages):
        raise quotas.over_daily_cap(budget.daily_cap, shared.now)
    if not budget.covers(new.cost):
        if validated.submission.without_credit is WithoutCredit.REFUSE:
            raise NotEnoughCredit("the balance does not cover this submission; nothing was stored")
        new = await new_batch(validated, replace(builder, is_covered=False), recipients)
    budget.spend(new.cost, new.open_messages)
    if shared.room is not None:
        shared.room.take(validated.tier, sum(message.place is Place.LANE for message in new.messages))
    if external_id is not None:
        shared.external_ids.add(owned)
    return AssessedSubmission(candidate, builder.window, new, is_capped=budget.daily_cap is not None)


async def _builder(
    ctx: Context, candidate: CandidateSubmission, terms: AccountTerms, shared: _Shared
) -> MessageBuilder:
    """Return the builder of a submission's messages. Raises InvalidSubmission."""
    validated, now = candidate.validated, shared.now
    window, faults = _window(validated, terms, now), list[Fault]()
    if window is None:
        faults.append(window_over(validated.submission))
    if terms.sender_id is None and validated.names_a_sender:
        faults.append(unknown_sender(validated.submission))
    if window is None or faults:
        raise InvalidSubmission(faults)
    allowed_hours = hours.effective(ctx, terms.hours, validated.tier)
    return MessageBuilder(
        ctx=ctx,
        caller=validated.caller,
        tier=validated.tier,
        window=window,
        now=now,
        sender_id=terms.sender_id,
        sender=terms.sender,
        opted_out=shared.opted_out,
        to_lane=window.not_before <= now and shared.has_room(validated.tier, len(validated.recipients)),
        openings=await hours.openings(allowed_hours, validated.numbers, window=window),
    )


def _terms_request(validated: ValidatedSubmission) -> TermsRequest:
    submission, caller = validated.submission, validated.caller
    return TermsRequest(
        caller.account.id,
        validated.tier,
        submission.sender_id,
        submission.sender_name,
        dialect=caller.dialect,
        external_id=submission.external_id,
    )


def _window(validated: ValidatedSubmission, terms: AccountTerms, now: datetime) -> Window | None:
    """Return the window of a submission; None if it leaves no time to send."""
    submission, tier = validated.submission, validated.tier
    validity = terms.validity.get(tier) or submission.default_validity or TIER_LIMITS[tier].validity
    try:
        return Window.of(
            now, not_before=submission.not_before, not_after=submission.not_after, validity=validity
        )
    except ValueError:
        return None


def already_exists(external_id: str | None) -> AlreadyExists:
    """Return the error for an external id that another batch of the account has."""
    return AlreadyExists(f"there is already a batch with the id {external_id!r}")
