"""What each recipient of a submission becomes: a message that waits or goes, or one that ends at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from dispatcher.domain.msisdn import Msisdn
from dispatcher.domain.opening import Opening
from dispatcher.domain.route import Plan
from dispatcher.domain.status import Place, Status
from dispatcher.domain.submission import Caller
from dispatcher.domain.tier import PACE, Tier
from dispatcher.domain.window import Window
from dispatcher.service import routes
from dispatcher.service.context import Context
from dispatcher.service.examine import Examined, Recipient
from dispatcher.store.intake import NewMessage


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What is the same for all messages of a submission.

    `sender` is the name of the one with `sender_id`, None where there is none.
    `opted_out` names account, sender and number; `openings` tells by number
    when allowed hours let it be written to, and names none without hours.
    """

    ctx: Context
    caller: Caller
    tier: Tier
    window: Window
    now: datetime
    sender_id: int | None
    sender: str | None
    opted_out: Collection[tuple[int, int | None, str]]
    to_lane: bool
    covered: bool
    openings: Mapping[str, Opening] = field(default_factory=dict)


def bear(
    recipient: Recipient,
    examined: Examined,
    around: Circumstances,
    *,
    ended: tuple[Status, str] | None = None,
) -> NewMessage:
    """
    Make the message for one recipient, with the status and place it is born in and what it costs.

    `ended` is the status it is to be born final in whatever else holds, and why.
    """
    number = recipient.number
    is_test = around.caller.is_test or routes.is_simulated(around.ctx, number)
    plan = routes.plan_for(
        around.ctx,
        around.caller.account.id,
        number,
        tier=around.tier,
        sender=around.sender,
        is_test=is_test,
    )
    opening = around.openings.get(number.e164) or Opening(around.window.not_before)
    status, reason = ended or _ended(number, plan, around) or _alive(opening, plan, around)
    place, wake_at = _place(status, opening, around)
    is_free = place is None or around.caller.is_test
    return NewMessage(
        public_id=uuid4(),
        number=number.e164,
        number_as_given=recipient.given,
        country=number.country,
        charged=0 if is_free else around.ctx.settings.price_list.of(number.country, examined.segments),
        status=status,
        place=place,
        wake_at=wake_at,
        reason=reason,
        is_test=is_test,
        closes_at=None if place is None else opening.closes_at,
    )


def _ended(number: Msisdn, plan: Plan, around: Circumstances) -> tuple[Status, str] | None:
    """Tell the status a message is born final in, and why; None means that it is to be sent."""
    if (around.caller.account.id, around.sender_id, number.e164) in around.opted_out:
        return Status.OPTED_OUT, "the number has opted out"
    if around.sender_id is None:
        return Status.NO_SENDER, "the account has no sender"
    if (barred := routes.barred(around.ctx, around.caller.account, number, plan)) is not None:
        return barred
    return None if around.covered else (Status.NO_CREDIT, "the balance did not cover the batch")


def _alive(opening: Opening, plan: Plan, around: Circumstances) -> tuple[Status, str]:
    if opening.at is None or not opening.serves(around.window):
        return Status.EXPIRED, opening.missed
    status = Status.SCHEDULED if opening.at > around.now else Status.PENDING
    reason = opening.awaited if opening.at > around.window.not_before else "accepted"
    if plan.sender != around.sender:
        reason += f"; its sender is shown as {plan.sender}, for {around.sender} may not be used there"
    return status, reason


def _place(status: Status, opening: Opening, around: Circumstances) -> tuple[Place | None, datetime | None]:
    match status:
        case Status.SCHEDULED:
            return Place.HELD, opening.at
        case Status.PENDING if around.to_lane:
            return Place.LANE, around.now + PACE[around.tier].requeue
        case Status.PENDING:
            return Place.READY, None
    return None, None
