"""The events that producers are notified of, one callback for each event and URL."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.domain.messages.status import Status


class CallbackState(StrEnum):
    """The state of a callback."""

    WAITING = "waiting"  # the first or next try is at wake_at
    DELIVERED = "delivered"  # the URL answered 2xx
    REFUSED = "refused"  # the URL rejected it for good, or may not be called
    GIVEN_UP = "given_up"  # the retry period has ended


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """
    One event of a message, which its dialect formats for the producer's URL.

    `number` is in E.164, `number_as_given` as the producer wrote it. `seq`
    orders the events of a message. `webhook_id` and `event` are those of the
    webhook; None and "" if the batch named the URL itself.
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
    A message from a handset, which a dialect formats for the webhook of its account.

    `number` is the handset, `recipient` the number that it wrote to, which is
    the account's `sender`. `at` is when we received the message, `sent_at`
    the provider's time. `action` is set if the text is a keyword. `seq` is 1
    for a new message, and more if a late part changed it. It has `parts`
    parts; those in `missing_parts` have not come.
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
    seq: int = 1
    parts: int = 1
    missing_parts: tuple[int, ...] = ()
