"""
The transaction that accepts submissions: one, or many that came at the same moment.

Each is judged for itself. What is refused before anything is written leaves
the others as they are; what fails later takes the transaction back, and then
each is accepted alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.errors import (
    AlreadyExists,
    DispatchError,
    Fault,
    FaultKind,
    InvalidSubmission,
    NotEnoughCredit,
    StillRunning,
    Unavailable,
)
from dispatcher.domain.status import Status
from dispatcher.domain.submission import (
    Answer,
    Submission,
    WithoutCredit,
)
from dispatcher.domain.tier import PACE
from dispatcher.domain.window import Window
from dispatcher.service import brakes, hours, once
from dispatcher.service.births import Circumstances
from dispatcher.service.context import Context
from dispatcher.service.order import Accepted, Order, Standing, accepted, new_batch, repeated
from dispatcher.service.room import Room
from dispatcher.store import accounts, intake, ledger, opt_outs, sweeps
from dispatcher.store.accounts import Terms, Wanted
from dispatcher.store.brakes import Earlier
from dispatcher.store.ledger import Charge

Outcome = Accepted | Answer | DispatchError
"""Accepted now, answered as before, or refused."""


class _NotCovered(Exception):
    """Rolls the transaction back; a balance does not cover what its account wants."""


async def accept(ctx: Context, orders: Sequence[Order]) -> list[Outcome]:
    """Accept orders, each for itself; give an outcome for each, in order. Raises Unavailable."""
    try:
        return await ctx.database.transact(lambda c: _accept(ctx, c, orders, covered=True))
    except Unavailable:
        raise
    except (_NotCovered, DispatchError) as error:
        if len(orders) > 1:
            return [outcome for order in orders for outcome in await accept(ctx, [order])]
        if isinstance(error, DispatchError):
            return [error]
    if orders[0].submission.without_credit is WithoutCredit.REFUSE:
        return [NotEnoughCredit("the balance does not cover this submission; nothing was kept")]
    return await ctx.database.transact(lambda c: _accept(ctx, c, orders, covered=False))


async def _accept(
    ctx: Context, connection: AsyncConnection, orders: Sequence[Order], *, covered: bool
) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    standing: list[Standing] = []
    keys: set[tuple[int, str, str]] = set()
    for position, order in enumerate(orders):
        try:
            found = await _before(ctx, connection, order, keys)
        except DispatchError as refused:
            found = refused
        if isinstance(found, Answer | DispatchError):
            outcomes[position] = found
        else:
            standing.append(Standing(position, order, found))
    around = await _circumstances(ctx, connection, standing, covered=covered)
    outcomes |= {s.position: a for s, a in zip(standing, around, strict=True) if isinstance(a, DispatchError)}
    able = [(s, a) for s, a in zip(standing, around, strict=True) if isinstance(a, Circumstances)]
    outcomes |= await _write(ctx, connection, able)
    return [outcomes[position] for position in range(len(orders))]


async def _before(
    ctx: Context, connection: AsyncConnection, order: Order, keys: set[tuple[int, str, str]]
) -> Answer | Mapping[str, Earlier] | DispatchError:
    """
    Look for the answer to an order's key, and let the brakes judge it. Raises what they raise.

    `keys` are those of the orders before it in this transaction, which the
    database cannot tell apart from it.
    """
    if order.once is not None:
        owner = order.caller.account.id, order.caller.dialect, order.once.key
        if owner in keys:
            raise StillRunning(once.RUNNING)
        keys.add(owner)
        answer = await once.earlier(ctx, connection, order.caller, order.once)
        if answer is not None:
            return answer
    return await brakes.hold(ctx, connection, order.caller, order.examined, order.tier)


async def _circumstances(
    ctx: Context, connection: AsyncConnection, standing: Sequence[Standing], *, covered: bool
) -> list[Circumstances | DispatchError]:
    """Read what the messages of each order have in common, or tell what speaks against it."""
    if not standing:
        return []
    now, orders = ctx.now(), [s.order for s in standing]
    terms = await accounts.terms(connection, [_wanted(order) for order in orders])
    asked = [
        (order.caller.account.id, term.sender_id, recipient.number.e164)
        for order, term in zip(orders, terms, strict=True)
        for recipient in order.examined.recipients
    ]
    opted_out = await opt_outs.among(connection, asked)
    room = Room(ctx, await sweeps.depths(connection, {order.tier for order in orders}))
    found: list[Circumstances | DispatchError] = []
    for order, term in zip(orders, terms, strict=True):
        try:
            window = _window(order, term, now)
        except InvalidSubmission as error:
            found.append(error)
            continue
        if term.sender_id is None and order.names_a_sender:
            found.append(InvalidSubmission([unknown_sender(order.submission)]))
            continue
        numbers = [recipient.number.e164 for recipient in order.examined.recipients]
        applied = hours.applying(ctx, term.hours, order.tier)
        found.append(
            Circumstances(
                ctx=ctx,
                caller=order.caller,
                tier=order.tier,
                window=window,
                now=now,
                sender_id=term.sender_id,
                sender=term.sender,
                opted_out=opted_out,
                to_lane=window.not_before <= now and room.take(order.tier, len(numbers)),
                covered=covered,
                openings=await hours.openings(applied, numbers, window=window),
            )
        )
    return found


def _wanted(order: Order) -> Wanted:
    submission = order.submission
    return Wanted(order.caller.account.id, order.tier, submission.sender_id, submission.sender_name)


def _window(order: Order, terms: Terms, now: datetime) -> Window:
    submission, tier = order.submission, order.tier
    validity = terms.validity.get(tier) or submission.default_validity or PACE[tier].validity
    try:
        return Window.of(
            now, not_before=submission.not_before, not_after=submission.not_after, validity=validity
        )
    except ValueError:
        fault = Fault("not_after", FaultKind.WINDOW_OVER, str(submission.not_after))
        raise InvalidSubmission([fault]) from None


def unknown_sender(submission: Submission) -> Fault:
    """Say that the account has no sender like the one that is named."""
    named = submission.sender_name if submission.sender_id is None else submission.sender_id
    return Fault("sender_id", FaultKind.UNKNOWN_SENDER, str(named))


async def _write(
    ctx: Context, connection: AsyncConnection, able: Sequence[tuple[Standing, Circumstances]]
) -> dict[int, Outcome]:
    """Write what is new, keep the answers and take the credits. Raises _NotCovered and TooMany."""
    new = {s.position: await new_batch(s, around) for s, around in able if not s.repeats_all}
    written = await intake.insert(connection, list(new.values()), now=ctx.now()) if new else []
    known = dict(zip(new, written, strict=True))
    outcomes: dict[int, Outcome] = {}
    charges: list[Charge] = []
    for s, around in able:
        if s.repeats_all:
            found = repeated(s, around)
        elif (made := known[s.position]) is None:
            name = s.order.submission.external_id
            outcomes[s.position] = AlreadyExists(f"there is a batch with the id {name!r} already")
            continue
        else:
            found = accepted(s, around, new[s.position], made)
        outcomes[s.position] = await _finished(ctx, connection, s.order, found)
        if found.batch.charged:
            account_id = s.order.caller.account.id
            charges.append(Charge(account_id, found.batch.id, found.batch.charged))
    if not await ledger.charge(connection, charges):
        raise _NotCovered
    return outcomes


async def _finished(ctx: Context, connection: AsyncConnection, order: Order, made: Accepted) -> Accepted:
    """Count the messages against the account's day, and keep the answer to the order's key."""
    on_its_way = sum(message.status in (Status.PENDING, Status.SCHEDULED) for message in made.fresh)
    await brakes.count(ctx, connection, order.caller, on_its_way)
    if order.once is None:
        return made
    return replace(made, answer=await once.keep(ctx, connection, order.caller, order.once, made.batch))
