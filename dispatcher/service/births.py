"""What each recipient of a submission becomes: a message that waits or goes, or one that ends at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from dispatcher.domain.msisdn import Msisdn, sandbox_code
from dispatcher.domain.opening import Opening
from dispatcher.domain.route import route
from dispatcher.domain.status import Place, Status
from dispatcher.domain.submission import Caller
from dispatcher.domain.tier import PACE, Tier
from dispatcher.domain.window import Window
from dispatcher.service.context import Context
from dispatcher.service.examine import Examined, Recipient
from dispatcher.store.intake import NewMessage


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What is the same for all messages of a submission.

    `opted_out` names account, sender and number; `openings` tells by number
    when allowed hours let it be written to, and names none without hours.
    """

    ctx: Context
    caller: Caller
    tier: Tier
    window: Window
    now: datetime
    sender_id: int | None
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
    is_test = around.caller.is_test or _is_simulated(around.ctx, number)
    opening = around.openings.get(number.e164) or Opening(around.window.not_before)
    status, reason = ended or _ended(number, is_test, around) or _alive(opening, around)
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


def _is_simulated(ctx: Context, number: Msisdn) -> bool:
    return ctx.settings.simulated_numbers and sandbox_code(number.e164) is not None


def _ended(number: Msisdn, is_test: bool, around: Circumstances) -> tuple[Status, str] | None:
    """Tell the status a message is born final in, and why; None means that it is to be sent."""
    countries = around.caller.account.limits.countries
    if (around.caller.account.id, around.sender_id, number.e164) in around.opted_out:
        return Status.OPTED_OUT, "the number has opted out"
    if around.sender_id is None:
        return Status.NO_SENDER, "the account has no sender"
    if countries is not None and number.country not in countries:
        return Status.NO_ROUTE, "the account may not write to this country"
    if not route(number.country, [way.config for way in around.ctx.ways.values()], is_test=is_test):
        return Status.NO_ROUTE, f"no provider {'takes tests' if is_test else 'serves this country'}"
    return None if around.covered else (Status.NO_CREDIT, "the balance did not cover the batch")


def _alive(opening: Opening, around: Circumstances) -> tuple[Status, str]:
    if opening.at is None or not opening.serves(around.window):
        return Status.EXPIRED, opening.missed
    status = Status.SCHEDULED if opening.at > around.now else Status.PENDING
    return status, opening.awaited if opening.at > around.window.not_before else "accepted"


def _place(status: Status, opening: Opening, around: Circumstances) -> tuple[Place | None, datetime | None]:
    match status:
        case Status.SCHEDULED:
            return Place.HELD, opening.at
        case Status.PENDING if around.to_lane:
            return Place.LANE, around.now + PACE[around.tier].requeue
        case Status.PENDING:
            return Place.READY, None
    return None, None
