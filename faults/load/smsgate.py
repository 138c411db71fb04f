"""Messages with narrow windows over SMS Gateway, in all tiers, with webhooks and cancellations."""

import asyncio
import base64
from collections.abc import Mapping

import httpx

from dispatcher.api.dialects.smsgate.webhooks import EVENTS
from faults.load.source import Source, iso

STREAM = "smsgate"
_PATH = "/api/3rdparty/v1"
_PRIORITIES = {"bulk": -1, "standard": 0, "critical": 100}
_TOLD = ("sms:sent", "sms:delivered", "sms:failed", "sms:cancelled")
_WORDS = {int(status): event for event in _TOLD for status in EVENTS[event]}
_WEBHOOK = "/webhooks/smsgate"
_CANCELLED = 0.2


def _headers(source: Source) -> Mapping[str, str]:
    pair = source.credentials["smsgate"]
    token = base64.b64encode(f"{pair['login']}:{pair['password']}".encode()).decode()
    return {"Authorization": f"Basic {token}", "Content-Type": "application/json"}


async def register(source: Source) -> None:
    """Register a webhook for each event."""
    for event in _TOLD:
        body = {"id": event.replace(":", "-"), "url": source.callback_url + _WEBHOOK, "event": event}
        answer = await source.client.ask("POST", f"{_PATH}/webhooks", body=body, headers=_headers(source))
        if answer is None or not answer.is_success:
            raise RuntimeError(f"no webhook: {answer and answer.text}")


async def send(source: Source, number: int) -> None:
    """Send one message with a window of some seconds, and cancel some before they are due."""
    rng = source.rng(STREAM)
    to = source.number(STREAM)
    tier = rng.choice(list(_PRIORITIES))
    wait, length = rng.choice((0.0, rng.uniform(2, 12))), rng.choice((4.0, 20.0, 600.0))
    cancels = wait > 0 and rng.random() < _CANCELLED
    start = round(source.now() + wait, 3)
    end = round(start + length, 3)
    text, own_id = f"Window {source.seed}-{number}", f"w{source.seed}-{number}"
    body = {
        "id": own_id,
        "phoneNumbers": [to],
        "textMessage": {"text": text},
        "priority": _PRIORITIES[tier],
        "validUntil": iso(end),
        **({"scheduleAt": iso(start)} if wait else {}),
    }
    answer = await source.submit(
        f"{_PATH}/messages",
        body,
        stream=STREAM,
        tier=tier,
        texts={to: text},
        headers=_headers(source),
        window=(start if wait else 0.0, end),
        callback=_WEBHOOK,
        events=_WORDS,
    )
    if answer is not None and cancels:
        await asyncio.sleep(rng.uniform(0, wait))
        await _cancel(source, to, own_id=own_id)


async def _cancel(source: Source, number: str, *, own_id: str) -> None:
    journal, edit = source.client.journal, f"cancel-{own_id}"
    journal.write("edit", number=number, edit=edit, text=None)
    answer = await source.client.ask("DELETE", f"{_PATH}/messages/{own_id}", headers=_headers(source))
    if answer is not None and answer.status_code == httpx.codes.OK and answer.json()["state"] == "Cancelled":
        journal.write("edited", edit=edit, changed=True)
