"""The batch of new rows of a validated submission, and the accepted batch that its caller gets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from dispatcher.domain.messages.submission import AcceptedBatch, AcceptedMessage
from dispatcher.domain.messages.window import Window
from dispatcher.service.submissions.new_messages import MessageBuilder
from dispatcher.service.submissions.validate import ValidatedSubmission, ValidRecipient
from dispatcher.service.yielding import yielding
from dispatcher.store.submissions.new_messages import NewBatch, WrittenBatch
from dispatcher.store.submissions.quotas import EarlierMessage


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
