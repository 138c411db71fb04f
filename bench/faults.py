"""What happens to others while one account's crowd is under way, and what a killed worker leaves in doubt."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.rig import Rig
from bench.trials import BATCH, HANDED_IN, LEAD, Figures, analyze, submit_many, until_all
from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.errors import AlreadyExists
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context

_ALLOWANCE = 1.5
_OTHER = "second"


def crowd(rig: Rig, messages: int, *, few: int = 100) -> Figures:
    """Let a second account hand in a few bulk messages behind a first one's many; tell when they are sent."""

    async def main() -> Figures:
        async with open_context(rig.stack.settings, name="bench") as ctx:
            first = Caller(await accounts.find(ctx, "demo"), "bench")
            second = Caller(await other_account(ctx), "bench")
            due = ctx.now() + timedelta(seconds=messages / HANDED_IN) + LEAD
            for start in range(0, messages, BATCH):
                await submit_many(ctx, first, min(BATCH, messages - start), tier=Tier.BULK, at=due)
            await analyze(ctx)
            await asyncio.sleep(max(0.0, (due - ctx.now()).total_seconds()) + 2)
            started = time.perf_counter()
            batch = await submit_many(ctx, second, few, tier=Tier.BULK)
            ids = [message.id for message in batch.messages]
            while await ctx.database.transact(lambda c: unsent(c, ids)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
            seconds = time.perf_counter() - started
            await until_all(rig, messages + few)
            peak = max(part.peak_mib for part in rig.usage().values())
        return {"messages": messages, "second_account_s": seconds, "peak_mib": peak}

    return asyncio.run(main())


def kill(rig: Rig, messages: int, *, latency: float) -> Figures:
    """Kill the bulk worker with -9 at full rate; tell what is in doubt, and how much may be."""

    async def main() -> Figures:
        async with open_context(rig.stack.settings, name="bench") as ctx:
            caller = Caller(await accounts.find(ctx, "demo"), "bench")
            due = ctx.now() + timedelta(seconds=messages / HANDED_IN) + LEAD
            for start in range(0, messages, BATCH):
                await submit_many(ctx, caller, min(BATCH, messages - start), tier=Tier.BULK, at=due)
            await analyze(ctx)
            await until_all(rig, messages // 3, still=False)
            before, began = int(rig.stats()["submits"]), time.perf_counter()
            await asyncio.sleep(1)
            rate = (int(rig.stats()["submits"]) - before) / (time.perf_counter() - began)
            rig.stack.supervisor.kill("worker-bulk")
            doubtful = await ctx.database.transact(_with_a_worker)
        await asyncio.sleep(0.5)
        seen = rig.arrivals(Tier.BULK)
        return {
            "rate": rate,
            "in_doubt": len(doubtful),
            "bound": rate * (latency + rig.stack.settings.flush_interval) * _ALLOWANCE,
            "in_doubt_and_seen": sum(reference in seen for reference in doubtful),
        }

    return asyncio.run(main())


async def other_account(ctx: Context) -> Account:
    """Give a second account, with a sender and credits."""
    try:
        account = await accounts.create(ctx, _OTHER, credits=1_000_000, country="KE")
    except AlreadyExists:
        return await accounts.find(ctx, _OTHER)
    await accounts.add_sender(ctx, account, "OTHER")
    return replace(account)


async def unsent(connection: AsyncConnection, ids: list[int]) -> bool:
    """Tell whether one of these messages has not gone out yet."""
    query = text("SELECT 1 FROM messages WHERE id = ANY(:ids) AND status IN (10, 11) LIMIT 1")
    return await connection.scalar(query, {"ids": ids}) is not None


async def _with_a_worker(connection: AsyncConnection) -> list[str]:
    rows = await connection.execute(text("SELECT public_id FROM messages WHERE place = 'worker'"))
    return [str(row.public_id) for row in rows]
