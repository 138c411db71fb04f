"""What the producers of batches that came in here are told of their messages."""

from dispatcher.api.manage.fields import word
from dispatcher.domain.outbox import Happening
from dispatcher.service.callbacks import Signature, Worded


def wording(happening: Happening) -> Worded:
    """Word one event; its type is `message.` and the status."""
    status = word(happening.status)
    data = {
        "message_id": str(happening.message_id),
        "batch_id": happening.batch_id,
        "number": happening.number,
        "status": status,
        "code": happening.status.value,
        "reason": happening.reason,
        "client_id": happening.client_id,
    }
    body = {"type": f"message.{status}", "timestamp": happening.at.isoformat(), "data": data}
    return Worded(body, Signature.STANDARD_WEBHOOKS)
