"""A message in responses: upstream's state, with the document's createdAt."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime

from dispatcher.api.dialects.smsgate.mapping import WORDS, error_of, state_of, write_time
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import AcceptedBatch
from dispatcher.service.messages.search import BatchView, TrackedBatch

Body = Mapping[str, object]


def device_id(account_id: int) -> str:
    """Return the id of the one device of an account: 21 characters, always the same."""
    digest = hashlib.sha256(f"smsgate device of account {account_id}".encode()).digest()
    return urlsafe_b64encode(digest).decode()[:21]


def name_of(batch: AcceptedBatch | BatchView) -> str:
    """Return the id of a message for clients: the producer's own, else ours."""
    return batch.external_id or str(batch.public_id)


def accepted(batch: AcceptedBatch, account_id: int) -> Body:
    """Return the state of a message that was accepted now."""
    statuses = [message.status for message in batch.messages]
    recipients = [_recipient(message.number, message.status, "") for message in batch.messages]
    first = dict.fromkeys(statuses, batch.accepted_at)
    return {
        **_head(name_of(batch), account_id, statuses),
        "recipients": recipients,
        "states": _states(first),
        "createdAt": write_time(batch.accepted_at),
    }


def tracked(found: TrackedBatch, account_id: int, *, content: bool) -> Body:
    """Return the state of a message; its text only if requested."""
    batch, messages = found.batch, found.messages
    text = {"textMessage": {"text": messages[0].text}} if content and messages else {}
    return {
        **_head(name_of(batch), account_id, [message.status for message in messages]),
        "recipients": [_recipient(message.number, message.status, message.reason) for message in messages],
        "states": _states(found.first),
        "createdAt": write_time(batch.created_at),
        **text,
    }


def _head(name: str, account_id: int, statuses: Iterable[Status]) -> dict[str, object]:
    return {
        "id": name,
        "deviceId": device_id(account_id),
        "state": state_of(statuses),
        "isHashed": False,
        "isEncrypted": False,
    }


def _recipient(number: str, status: Status, reason: str) -> Body:
    return {"phoneNumber": number, "state": WORDS[status].state, "error": error_of(status, reason)}


def _states(first: Mapping[Status, datetime]) -> Mapping[str, str]:
    """Return when a recipient first had each state, the earliest first."""
    states: dict[str, str] = {}
    for status, at in sorted(first.items(), key=lambda entry: (entry[1], entry[0])):
        states.setdefault(WORDS[status].state, write_time(at))
    return states
