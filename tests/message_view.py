"""A message view, for tests of what is shown of a message."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dispatcher.domain.messages.status import Place, Status
from dispatcher.domain.tier import Tier
from dispatcher.service.messages.search import MessageView


def a_view(now: datetime, **changes: Any) -> MessageView:
    """Return a message that is due, within an hour of its window on either side, and ready for its lane."""
    hour = timedelta(hours=1)
    message = MessageView(
        id=7,
        public_id=UUID(int=7),
        batch_id=1,
        batch_public_id=UUID(int=1),
        account="shop",
        timezone="UTC",
        dialect="scheduler",
        client_id="",
        number="+254712345678",
        number_as_given="+254712345678",
        country="KE",
        sender=None,
        text=None,
        tier=Tier.STANDARD,
        status=Status.PENDING,
        place=Place.READY,
        wake_at=None,
        wait_kind=None,
        waits_for=None,
        wait_since=None,
        paused=False,
        reason="",
        provider=None,
        attempt=0,
        deferrals=0,
        doubts=0,
        parts_taken=None,
        segments=1,
        charged=1,
        is_test=False,
        not_before=now - hour,
        not_after=now + hour,
        closes_at=None,
        created_at=now - hour,
        moved_at=now - hour,
    )
    return replace(message, **changes)
