"""What producers are told of messages, theirs and those that came in: a callback for each event and URL."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.domain.messages.status import Status


class CallbackState(StrEnum):
    """Where a callback is."""

    WAITING = "waiting"  # its first try, or the next one, comes at wake_at
    DELIVERED = "delivered"  # the URL answered 2xx
    REFUSED = "refused"  # the URL answered that it will never take it, or may not be called
    GIVEN_UP = "given_up"  # tried for as long as a callback is worth anything


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """
    One event of a message, as a dialect words it for the producer's URL.

    `number` is in E.164, `number_as_given` as the producer wrote it. `seq`
    orders the events of a message. `webhook_id` and `event` are those of the
    registration it goes to, None and "" where the batch named the URL itself.
    """

    message_id: UUID
    batch_id: str
    account_id: int
    seq: int
    at: datetime
    status: Status
    reason: str
    number: str
    number_as_given: str
    sender: str | None
    client_id: str
    webhook_id: str | None
    event: str


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """
    A message from a handset, as a dialect words it for its account's webhook.

    `number` wrote to `recipient`, which is the account's `sender`. `at` is when
    we had it, `sent_at` the provider's time. `action` is what its text asks for
    if it is a keyword.
    """

    id: UUID
    account_id: int
    at: datetime
    sent_at: datetime | None
    number: str
    recipient: str
    sender: str | None
    text: str
    action: KeywordAction | None
    webhook_id: str
    event: str
