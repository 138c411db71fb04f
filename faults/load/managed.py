"""Messages over the management API, with a callback URL each, long texts, and edits under fire."""

import asyncio
from datetime import UTC, datetime

import httpx

from dispatcher.domain.messages.status import Status
from faults.load.client import bearer, words
from faults.load.source import Source

STREAM = "managed"
_LONG = 300
_WORDS = {
    int(s): f"message.{s.name.lower()}"
    for s in Status
    if s in (Status.SENT, Status.RECEIVED, Status.WITHDRAWN) or s.is_missed
}
_EDITED = 0.4


async def send(source: Source, number: int) -> None:
    """Send one message, and edit some: another text, another window, or a cancellation."""
    rng = source.rng(STREAM)
    to = source.special(STREAM) if rng.random() < 0.15 else source.number(STREAM)
    tier = rng.choice(("standard", "bulk"))
    text = f"Managed {source.seed}-{number} " + "x" * (_LONG if rng.random() < 0.15 else 0)
    text = text.strip()
    wait = rng.choice((0.0, rng.uniform(2, 10)))
    change = rng.choice(("text", "reschedule", "cancel")) if wait and rng.random() < _EDITED else ""
    start = round(source.now() + wait, 3) if wait else 0.0
    callback = f"/callbacks/{source.seed}-{number}"
    body = {
        "recipients": [to],
        "text": text,
        "tier": tier,
        "callback_url": source.callback_url + callback,
        **({"not_before": _time(start)} if wait else {}),
    }
    answer = await source.submit(
        f"/manage/v1/accounts/{source.credentials['account']}/batches",
        body,
        stream=STREAM,
        tier=tier,
        texts={to: text},
        headers=bearer(source.credentials["manage"]["token"]),
        window=(start, float("inf")),
        callback=callback,
        events=_WORDS,
    )
    if answer is not None and change:
        await asyncio.sleep(rng.uniform(0, wait))
        message = words(answer)["messages"][0]
        later = round(source.now() + rng.uniform(1, 8), 3)
        await _edit(
            source, to, message_id=str(message["public_id"]), change=change, text=text, at=(start, later)
        )


async def _edit(
    source: Source, number: str, *, message_id: str, change: str, text: str, at: tuple[float, float]
) -> None:
    journal, edit, (start, later) = source.client.journal, f"edit-{message_id}", at
    body: dict[str, object]
    match change:
        case "cancel":
            new, body = None, {"kind": "cancel"}
        case "text":
            new = f"Edited {text}"
            body = {"kind": "text", "text": new}
        case _:
            new, start = text, later
            body = {"kind": "reschedule", "not_before": _time(later)}
    journal.write("edit", number=number, edit=edit, text=new, not_before=start, not_after=None)
    answer = await source.client.ask(
        "POST",
        "/manage/v1/messages/edits",
        body={"selection": {"account": source.credentials["account"], "message": message_id}, "change": body},
        headers=bearer(source.credentials["manage"]["token"]),
    )
    if answer is None:
        return
    if answer.status_code != httpx.codes.OK:
        journal.write(
            "refused", stream="edit", numbers=[number], status=answer.status_code, body=answer.text[:300]
        )
    elif words(answer)["changed"] == 1:
        journal.write("edited", edit=edit, changed=True)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
