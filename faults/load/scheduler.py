"""Batches over SMS Scheduler, now or some seconds later; some messages are deleted before their time."""

import asyncio
from datetime import UTC, datetime

from faults.load.client import bearer, words
from faults.load.source import Source

STREAM = "scheduler"
_MOST = 60
_LATEST = 15
_DELETED = 0.3


async def send(source: Source, number: int) -> None:
    """Send a batch to up to sixty numbers, and delete one message of some."""
    rng, credentials = source.rng(STREAM), source.credentials["scheduler"]
    numbers = [source.number(STREAM) for _ in range(rng.randint(1, _MOST))]
    if rng.random() < 0.3:
        numbers.append(source.special(STREAM))
    wait, deletes = rng.choice((0, rng.randint(3, _LATEST))), rng.random() < _DELETED
    at = float(int(source.now()) + wait) if wait else 0.0
    text = f"Batch {source.seed}-{number}"
    date = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" if wait else "2020-01-01 00:00:00"
    body = {
        "message_text": text,
        "delivery_date": date,
        "sender_id": credentials["senderId"],
        "phone_numbers": numbers,
    }
    answer = await source.submit(
        "/api/v1/sms",
        body,
        stream=STREAM,
        tier="standard",
        texts=dict.fromkeys(numbers, text),
        headers=bearer(credentials["token"]),
        window=(at, float("inf")),
    )
    if answer is not None and deletes:
        await asyncio.sleep(rng.uniform(0, wait))
        ids = words(answer)["sms_ids"]
        await _delete(source, numbers[0], sms_id=ids[numbers[0]][0])


async def _delete(source: Source, number: str, *, sms_id: int) -> None:
    journal, edit = source.client.journal, f"delete-{sms_id}"
    journal.write("edit", number=number, edit=edit, text=None)
    headers = bearer(source.credentials["scheduler"]["token"])
    answer = await source.client.ask("DELETE", f"/api/v1/sms/{sms_id}", headers=headers)
    if answer is not None and answer.is_success and words(answer).get("success") is True:
        journal.write("edited", edit=edit, changed=True)
