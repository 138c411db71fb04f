"""An order on its way to being accepted: what it asks, what it becomes, and how that is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from dispatcher.domain.submission import AcceptedBatch, AcceptedMessage, Answer, Caller, Once, Submission
from dispatcher.domain.tier import Tier
from dispatcher.service.births import Circumstances, bear
from dispatcher.service.examine import Examined, Recipient
from dispatcher.service.turns import in_turns
from dispatcher.store.brakes import Earlier
from dispatcher.store.intake import NewBatch, Written


@dataclass(frozen=True, slots=True)
class Order:
    """A submission that passed what can be judged without a transaction."""

    caller: Caller
    submission: Submission
    examined: Examined
    tier: Tier
    template_id: int | None
    once: Once | None

    @property
    def names_a_sender(self) -> bool:
        """Whether it wants a certain sender, not the account's default."""
        return self.submission.sender_id is not None or self.submission.sender_name is not None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an order: `fresh` are the messages it made, maybe in their lane already."""

    batch: AcceptedBatch
    fresh: Sequence[AcceptedMessage]
    to_lane: bool
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An order that nothing speaks against so far, and the messages it repeats."""

    position: int
    order: Order
    joined: Mapping[str, Earlier]

    @property
    def fresh(self) -> Sequence[Recipient]:
        """The recipients for whom there is no message of a moment ago."""
        return [r for r in self.order.examined.recipients if r.number.e164 not in self.joined]

    @property
    def repeats_all(self) -> bool:
        """Whether it only repeats messages of a moment ago."""
        return bool(self.joined) and not self.fresh


async def new_batch(standing: Standing, around: Circumstances) -> NewBatch:
    """Make what is to be written of an order."""
    order, submission = standing.order, standing.order.submission
    return NewBatch(
        public_id=uuid4(),
        account_id=order.caller.account.id,
        dialect=order.caller.dialect,
        tier=order.tier,
        sender_id=around.sender_id,
        window=around.window,
        text=order.examined.text,
        segments=order.examined.segments,
        messages=[bear(recipient, order.examined, around) async for recipient in in_turns(standing.fresh)],
        external_id=submission.external_id,
        client_id=submission.client_id,
        callback_url=submission.callback_url,
        template_id=order.template_id,
        traceparent=submission.traceparent,
    )


def accepted(standing: Standing, around: Circumstances, new: NewBatch, written: Written) -> Accepted:
    """Tell what an order became that was written."""
    order, joined = standing.order, standing.joined
    fresh = [
        AcceptedMessage(id_, message.public_id, message.number_as_given, message.status, message.number)
        for id_, message in zip(written.message_ids, new.messages, strict=True)
    ]
    made = iter(fresh)
    batch = AcceptedBatch(
        id=written.batch_id,
        public_id=new.public_id,
        tier=order.tier,
        messages=[
            _repeated(recipient, joined) if recipient.number.e164 in joined else next(made)
            for recipient in order.examined.recipients
        ],
        charged=sum(message.charged for message in new.messages),
        window=around.window,
        accepted_at=around.now,
        external_id=new.external_id,
        skipped=order.examined.skipped,
    )
    return Accepted(batch, fresh, around.to_lane, None)


def _repeated(recipient: Recipient, joined: Mapping[str, Earlier]) -> AcceptedMessage:
    earlier = joined[recipient.number.e164]
    return AcceptedMessage(earlier.id, earlier.public_id, recipient.given, earlier.status, earlier.number)


def repeated(standing: Standing, around: Circumstances) -> Accepted:
    """Answer an order that repeats another one with the batch which that one became."""
    order, first = standing.order, next(iter(standing.joined.values()))
    batch = AcceptedBatch(
        id=first.batch_id,
        public_id=first.batch_public_id,
        tier=order.tier,
        messages=[_repeated(recipient, standing.joined) for recipient in order.examined.recipients],
        charged=0,
        window=around.window,
        accepted_at=first.created_at,
        external_id=first.external_id,
        skipped=order.examined.skipped,
    )
    return Accepted(batch, (), around.to_lane, None)
