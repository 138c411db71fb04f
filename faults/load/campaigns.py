"""A campaign whose run is expanded and sent during the whole load, and paused now and then."""

import asyncio
from datetime import UTC, datetime

from faults.load.client import bearer, words
from faults.load.source import Source

STREAM = "campaign"
_LEAD = 2.0


async def start(source: Source, *, recipients: int, seconds: float) -> str:
    """Start a campaign of a new audience, spread over so many seconds; return its path."""
    account, headers = source.credentials["account"], bearer(source.credentials["manage"]["token"])
    names = {source.number(STREAM): f"Name{n}" for n in range(recipients)}
    lines = "to,name\n" + "".join(f"{number},{name}\n" for number, name in names.items())
    path = f"/manage/v1/accounts/{account}"
    imported = await source.client.upload(f"{path}/audiences?audience=all", lines.encode(), headers=headers)
    at = source.now() + _LEAD
    body = {
        "name": f"campaign-{source.seed}",
        "audience": "all",
        "text": f"Hello {{{{name}}}} {source.seed}",
        "at": datetime.fromtimestamp(at, UTC).isoformat(),
        "spread_seconds": int(seconds),
        "start": True,
    }
    source.client.journal.write(
        "submit",
        stream=STREAM, tier="bulk", numbers=list(names), key="campaign",
        texts={number: f"Hello {name} {source.seed}" for number, name in names.items()},
        not_before=at, not_after=None,
    )  # fmt: skip
    answer = await source.client.ask("POST", f"{path}/campaigns", body=body, headers=headers, key="campaign")
    if answer is None or not answer.is_success:
        raise RuntimeError(f"no campaign: {imported.text} {answer and answer.text}")
    source.client.journal.write("accepted", stream=STREAM, numbers=list(names))
    return f"{path}/campaigns/{words(answer)['id']}"


async def pause_and_resume(source: Source, campaign: str) -> None:
    """Pause a campaign for a moment; when it has ended, both are refused, which changes nothing."""
    headers = bearer(source.credentials["manage"]["token"])
    await source.client.ask("POST", f"{campaign}/pause", headers=headers)
    await asyncio.sleep(source.rng(STREAM).uniform(1, 4))
    await source.client.ask("POST", f"{campaign}/resume", headers=headers)
