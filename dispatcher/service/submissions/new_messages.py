"""The new messages of a submission, one for each recipient, in their batch; and the accepted batch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.hours.opening import SendOpening
from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.messages.submission import AcceptedBatch, AcceptedMessage
from dispatcher.domain.messages.window import Window
from dispatcher.domain.numbers.msisdn import Msisdn
from dispatcher.domain.routing.route import RoutePlan
from dispatcher.domain.tier import TIER_LIMITS, Tier
from dispatcher.service.context import Context
from dispatcher.service.routing import routes
from dispatcher.service.submissions.validate import ValidatedSubmission, ValidRecipient
from dispatcher.service.yielding import yielding
from dispatcher.store.submissions.new_messages import NewBatch, NewMessage, WrittenBatch
from dispatcher.store.submissions.quotas import EarlierMessage


@dataclass(frozen=True, slots=True)
class MessageBuilder:
    """
    Builds the messages of a batch from the values that they share.

    `sender` is the name of the sender `sender_id`; both are None if the account
    has no sender. `opted_out` holds account, sender and number. `openings` are
    by number, and empty if no allowed hours apply. `is_covered` is False if the
    balance does not cover the batch.
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
    is_covered: bool = True
    openings: Mapping[str, SendOpening] = field(default_factory=dict)

    def build(
        self, recipient: ValidRecipient, segments: int, *, ended: tuple[Status, str] | None = None
    ) -> NewMessage:
        """
        Return the message for one recipient, with its first status, its place and its cost.

        `ended` is a final status and its reason; with it, nothing else decides the status.
        """
        number = recipient.number
        is_test = self.caller.is_test or routes.is_simulated(self.ctx, number)
        plan = routes.plan_for(
            self.ctx,
            self.caller.account.id,
            number,
            tier=self.tier,
            sender=self.sender,
            is_test=is_test,
        )
        opening = self.openings.get(number.e164) or SendOpening(self.window.not_before)
        status, reason = ended or self._refused(number, plan) or self._open(opening, plan)
        place, wake_at = self._place(status, opening)
        is_free = place is None or self.caller.is_test
        return NewMessage(
            public_id=uuid4(),
            number=number.e164,
            number_as_given=recipient.raw,
            country=number.country,
            charged=0 if is_free else self.ctx.settings.price_list.of(number.country, segments),
            status=status,
            place=place,
            wake_at=wake_at,
            reason=reason,
            is_test=is_test,
            closes_at=None if place is None else opening.closes_at,
        )

    def _refused(self, number: Msisdn, plan: RoutePlan) -> tuple[Status, str] | None:
        """Return the final status and its reason of a message that cannot be sent; None if it can be."""
        if (self.caller.account.id, self.sender_id, number.e164) in self.opted_out:
            return Status.OPTED_OUT, "the number has opted out"
        if self.sender_id is None:
            return Status.NO_SENDER, "the account has no sender"
        if (barred := routes.refusal_for(self.ctx, self.caller.account, number, plan)) is not None:
            return barred
        return None if self.is_covered else (Status.NO_CREDIT, "the balance did not cover the batch")

    def _open(self, opening: SendOpening, plan: RoutePlan) -> tuple[Status, str]:
        """Return whether a message can be sent now, later, or not within its window, as status and reason."""
        if opening.at is None or not opening.serves(self.window):
            return Status.EXPIRED, opening.miss_reason
        status = Status.SCHEDULED if opening.at > self.now else Status.PENDING
        reason = opening.wait_reason if opening.at > self.window.not_before else "accepted"
        if plan.sender != self.sender:
            reason += f"; the sender is shown as {plan.sender}, because {self.sender} may not be used there"
        return status, reason

    def _place(self, status: Status, opening: SendOpening) -> tuple[Place | None, datetime | None]:
        match status:
            case Status.SCHEDULED:
                return Place.HELD, opening.at
            case Status.PENDING if self.to_lane:
                return Place.LANE, self.now + TIER_LIMITS[self.tier].requeue
            case Status.PENDING:
                return Place.READY, None
        return None, None


async def new_batch(
    validated: ValidatedSubmission, builder: MessageBuilder, recipients: Sequence[ValidRecipient]
) -> NewBatch:
    """Return the batch to be written, with one message for each recipient."""
    submission = validated.submission
    return NewBatch(
        public_id=uuid4(),
        account_id=validated.caller.account.id,
        dialect=validated.caller.dialect,
        tier=validated.tier,
        sender_id=builder.sender_id,
        window=builder.window,
        text=validated.text,
        segments=validated.segments,
        messages=[builder.build(one, validated.segments) async for one in yielding(recipients)],
        external_id=submission.external_id,
        client_id=submission.client_id,
        callback_url=submission.callback_url,
        template_id=validated.template_id,
        traceparent=submission.traceparent,
    )


def accepted_batch(
    validated: ValidatedSubmission,
    new: NewBatch,
    written: WrittenBatch,
    *,
    joined: Mapping[str, EarlierMessage],
    now: datetime,
) -> AcceptedBatch:
    """Return the accepted batch; a recipient in `joined` gets that earlier message instead of a new one."""
    new_messages = iter(
        [
            AcceptedMessage(id_, message.public_id, message.number_as_given, message.status, message.number)
            for id_, message in zip(written.message_ids, new.messages, strict=True)
        ]
    )
    return AcceptedBatch(
        id=written.batch_id,
        public_id=new.public_id,
        tier=new.tier,
        messages=[
            _repeated(recipient, joined) if recipient.number.e164 in joined else next(new_messages)
            for recipient in validated.recipients
        ],
        charged=new.cost,
        window=new.window,
        accepted_at=now,
        external_id=new.external_id,
        skipped=validated.skipped,
    )


def repeated_batch(
    validated: ValidatedSubmission, joined: Mapping[str, EarlierMessage], *, window: Window
) -> AcceptedBatch:
    """Return the earlier batch, when a submission repeats all its messages from one batch."""
    first = next(iter(joined.values()))
    return AcceptedBatch(
        id=first.batch_id,
        public_id=first.batch_public_id,
        tier=validated.tier,
        messages=[_repeated(recipient, joined) for recipient in validated.recipients],
        charged=0,
        window=window,
        accepted_at=first.created_at,
        external_id=first.external_id,
        skipped=validated.skipped,
    )


def _repeated(recipient: ValidRecipient, joined: Mapping[str, EarlierMessage]) -> AcceptedMessage:
    earlier = joined[recipient.number.e164]
    return AcceptedMessage(earlier.id, earlier.public_id, recipient.raw, earlier.status, earlier.number)
