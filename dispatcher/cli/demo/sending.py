"""Handing the demo's groups in, each by the way that can say what it wants."""

import httpx

from dispatcher.cli.demo.groups import Group
from dispatcher.cli.stack import Stack
from dispatcher.domain.errors import Unavailable
from dispatcher.domain.msisdn import NumberPolicy
from dispatcher.domain.submission import Caller, Submission
from dispatcher.service import accounts
from dispatcher.service.context import Context
from dispatcher.service.submit import submit

_TEXT = "The SMS dispatcher's demo says hello"


async def send(ctx: Context, stack: Stack, group: Group, *, first: int) -> list[int]:
    """Send one group; give its messages' ids."""
    if group.tier is None:
        return await _over_http(ctx, stack, group, first=first)
    return await _as_a_producer(ctx, group, first=first)


async def _over_http(ctx: Context, stack: Stack, group: Group, *, first: int) -> list[int]:
    at = ctx.now() if group.after is None else ctx.now() + group.after
    body = {
        "message_text": _TEXT,
        "delivery_date": at.isoformat(timespec="milliseconds"),
        "sender_id": stack.credentials.sender_id,
        "phone_numbers": group.numbers(first),
    }
    headers = {"Authorization": f"Bearer {stack.credentials.token}"}
    async with httpx.AsyncClient(base_url=stack.plan.base_url, headers=headers, trust_env=False) as client:
        answer = await client.post("/api/v1/sms", json=body)
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(f"the API answered {answer.status_code} to {group.name!r}: {answer.text}")
    return [int(i) for ids in answer.json()["sms_ids"].values() for i in ids]


async def _as_a_producer(ctx: Context, group: Group, *, first: int) -> list[int]:
    caller = Caller(await accounts.find(ctx, "demo"), "python")
    now = ctx.now()
    start = now if group.after is None else now + group.after
    submission = Submission(
        recipients=group.numbers(first),
        text=_TEXT,
        numbers=NumberPolicy(require_plus=True, simulated=True),
        tier=group.tier,
        not_before=None if group.after is None else start,
        not_after=None if group.lasts is None else start + group.lasts,
    )
    return [message.id for message in (await submit(ctx, caller, submission)).messages]
