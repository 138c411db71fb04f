"""
The transaction that accepts submissions: one, or several that arrived at the same moment.

Each is assessed by itself before any row is written, and a refused one does
not affect the others.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Final, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import (
    DispatchError,
    StillRunning,
    Unavailable,
)
from dispatcher.domain.messages.status import Place
from dispatcher.domain.messages.submission import AcceptedBatch, StoredResponse
from dispatcher.service.context import Context
from dispatcher.service.joined_transaction import JoinedTransaction
from dispatcher.service.submissions import idempotency, quotas
from dispatcher.service.submissions.assessment import (
    AssessedSubmission,
    CandidateSubmission,
    already_exists,
    assess,
)
from dispatcher.service.submissions.new_messages import accepted_batch, repeated_batch
from dispatcher.service.submissions.validate import ValidatedSubmission
from dispatcher.store.accounts import ledger
from dispatcher.store.accounts.ledger import Charge
from dispatcher.store.accounts.reservations import Reservation
from dispatcher.store.submissions import new_messages
from dispatcher.store.submissions.new_messages import NewBatch, WrittenBatch
from dispatcher.store.submissions.quotas import EarlierMessage

log = structlog.get_logger()

AcceptResult = AcceptedBatch | StoredResponse | DispatchError
"""A batch; the response, if the submission has an idempotency key; or the error that refuses it."""


class _Outdated(Exception):
    """Rolls the transaction back: another one wrote what this one did not know of when it assessed."""


@dataclass(slots=True)
class _Results:
    """The results of a transaction by position, and the batches that it wrote."""

    by_position: dict[int, AcceptResult]
    written: list[tuple[NewBatch, WrittenBatch]] = field(default_factory=list)


class _Charging(Protocol):
    """Takes credits for batches, as `ledger.charge` does; False if an account does not cover all of its."""

    def __call__(
        self, connection: AsyncConnection, charges: Sequence[Charge], *, today: date
    ) -> Awaitable[bool]: ...


Reserve = Callable[[Reservation], bool]
"""Blocks until a charge is taken in a transaction of our own; False if its account does not cover it."""

_JOINED_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class JoinedResult:
    """A result in an application's transaction; `wake_at` is when the clock has work if that commits."""

    result: AcceptedBatch | StoredResponse
    wake_at: datetime | None


async def accept(ctx: Context, submissions: Sequence[ValidatedSubmission]) -> list[AcceptResult]:
    """
    Accept submissions, and return a result for each, in order. Raises Unavailable.

    Balances and daily counts are read before rows are written and changed
    afterwards, as late as possible. If another transaction used them in
    between, all is done again with the accounts locked from the start.
    """
    work = partial(_accept, ctx, submissions, to_lanes=True, charging=ledger.charge)
    try:
        results = await ctx.database.transact(partial(work, locked=False))
    except _Outdated:
        results = await ctx.database.transact(partial(work, locked=True))
    for new, written in results.written:
        try:
            _publish(ctx, new, written)
        except Exception:  # a bug; the batch is committed, and a repetition would send it twice
            log.exception("batch_not_published", batch_id=written.batch_id)
    return [results.by_position[position] for position in range(len(submissions))]


async def accept_joined(
    ctx: Context, transaction: JoinedTransaction, validated: ValidatedSubmission, *, reserve: Reserve
) -> JoinedResult:
    """
    Accept a submission as a part of an application's transaction. Needs no loop.

    Messages that are due are `ready`, and not in their lane: whenever the
    transaction commits, the clock finds them at its next look. The account is
    never locked, because the transaction may stay open for long: what it pays
    is reserved as the last step. If others used its balance in between, all is
    done again. Raises what `submit` does, and what the transaction raises.
    """

    async def charging(connection: AsyncConnection, charges: Sequence[Charge], *, today: date) -> bool:
        return all(
            [
                reserve(Reservation(charge, await ledger.enter(connection, charge), today))
                for charge in charges
            ]
        )

    async def work(connection: AsyncConnection) -> _Results:
        results = await _accept(ctx, [validated], connection, to_lanes=False, locked=False, charging=charging)
        if isinstance(refusal := results.by_position[0], DispatchError):
            raise refusal  # so that no lock is held until the application commits
        return results

    results = await _try_joined(transaction, work)
    wakes = [new.window.not_before for new, _ in results.written if new.open_messages]
    result = results.by_position[0]
    assert not isinstance(result, DispatchError)
    return JoinedResult(result, min(wakes, default=None))


async def _try_joined(
    transaction: JoinedTransaction, work: Callable[[AsyncConnection], Awaitable[_Results]]
) -> _Results:
    """Return the results of `work`. A snapshot that the transaction keeps never shows what it needs."""
    for _ in range(_JOINED_TRIES):
        try:
            return await transaction.transact(work)
        except _Outdated:
            continue
    raise Unavailable(
        "other submissions used the balance, the daily cap or the external id meanwhile:"
        " roll the transaction back, and begin it again"
    )


async def _accept(
    ctx: Context,
    submissions: Sequence[ValidatedSubmission],
    connection: AsyncConnection,
    *,
    to_lanes: bool,
    locked: bool,
    charging: _Charging,
) -> _Results:
    by_position: dict[int, AcceptResult] = {}
    candidates: list[CandidateSubmission] = []
    keys: set[tuple[int, str, str]] = set()
    for position, validated in enumerate(submissions):
        found = await _check_repeats(ctx, connection, validated, keys)
        if isinstance(found, StoredResponse | DispatchError):
            by_position[position] = found
        else:
            candidates.append(CandidateSubmission(position, validated, found))
    accepted: list[AssessedSubmission] = []
    if candidates:
        if locked:
            await ledger.lock(connection, {c.validated.caller.account.id for c in candidates})
        judged = await assess(ctx, connection, candidates, to_lanes=to_lanes)
        for candidate, assessed in zip(candidates, judged, strict=True):
            if isinstance(assessed, AssessedSubmission):
                accepted.append(assessed)
            else:
                by_position[candidate.position] = assessed
    results = _Results(by_position)
    await _write(ctx, connection, accepted, results, locked=locked, charging=charging)
    return results


async def _check_repeats(
    ctx: Context, connection: AsyncConnection, validated: ValidatedSubmission, keys: set[tuple[int, str, str]]
) -> StoredResponse | Mapping[str, EarlierMessage] | DispatchError:
    """
    Return the stored response of an idempotency key, the messages that are repeated, or a refusal.

    `keys` are those of the submissions before it in this transaction: the
    lock of a key in the database does not keep them apart.
    """
    try:
        if validated.key is not None:
            owner = validated.caller.account.id, validated.caller.dialect, validated.key.key
            if owner in keys:
                return StillRunning(idempotency.STILL_RUNNING)
            keys.add(owner)
            response = await idempotency.find_response(ctx, connection, validated.caller, validated.key)
            if response is not None:
                return response
        return await quotas.check(ctx, connection, validated)
    except DispatchError as refusal:
        return refusal


async def _write(
    ctx: Context,
    connection: AsyncConnection,
    accepted: Sequence[AssessedSubmission],
    results: _Results,
    *,
    locked: bool,
    charging: _Charging,
) -> None:
    """Write the new batches, store the responses, and charge the accounts. Raises _Outdated."""
    now = ctx.now()
    new = [assessed.new for assessed in accepted if assessed.new is not None]
    written = iter(await new_messages.insert(connection, new, now=now) if new else [])
    charges: list[Charge] = []
    for assessed in accepted:
        validated, joined = assessed.candidate.validated, assessed.candidate.joined
        if assessed.new is None:
            batch = repeated_batch(validated, joined, window=assessed.window)
        elif (ids := next(written)) is None:  # another transaction wrote this external id meanwhile
            if not locked and (assessed.new.cost or assessed.new.open_messages):
                raise _Outdated  # the submissions after it were assessed with what it will not use
            results.by_position[assessed.candidate.position] = already_exists(assessed.new.external_id)
            continue
        else:
            batch = accepted_batch(validated, assessed.new, ids, joined=joined, now=now)
            results.written.append((assessed.new, ids))
            if batch.charged or (assessed.is_capped and assessed.new.open_messages):
                charges.append(
                    Charge(assessed.new.account_id, batch.id, batch.charged, assessed.new.open_messages)
                )
        results.by_position[assessed.candidate.position] = (
            batch
            if validated.key is None
            else await idempotency.store_response(ctx, connection, validated.caller, validated.key, batch)
        )
    if not await charging(connection, charges, today=quotas.today(now)):
        raise _Outdated


def _publish(ctx: Context, new: NewBatch, written: WrittenBatch) -> None:
    """Put messages into their lane, or wake the clock, which finds them by itself if that fails."""
    places = {id_: message.place for id_, message in zip(written.message_ids, new.messages, strict=True)}
    in_lane = [id_ for id_, place in places.items() if place is Place.LANE]
    if in_lane:
        ctx.lanes.publish(new.tier, in_lane)
    elif any(place is not None for place in places.values()):
        ctx.lanes.wake(new.window.not_before)
