"""Trials: another account behind a large backlog, and the messages that a killed worker leaves in doubt."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.rig import Rig
from bench.trials import BATCH, LEAD, SUBMIT_RATE, Figures, analyze, submit_many, wait_for_arrivals
from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.errors import AlreadyExists
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context

_ALLOWANCE = 1.5
_OTHER = "second"


def backlog(rig: Rig, messages: int, *, few: int = 100) -> Figures:
    """Return how long a few bulk messages of a second account take behind a large backlog of the first."""

    async def main() -> Figures:
        async with open_context(rig.stack.settings, name="bench") as ctx:
            first = Caller(await accounts.find(ctx, "demo"), "bench")
            second = Caller(await second_account(ctx), "bench")
            due = ctx.now() + timedelta(seconds=messages / SUBMIT_RATE) + LEAD
            for start in range(0, messages, BATCH):
                await submit_many(ctx, first, min(BATCH, messages - start), tier=Tier.BULK, at=due)
            await analyze(ctx)
            await asyncio.sleep(max(0.0, (due - ctx.now()).total_seconds()) + 2)
            started = time.perf_counter()
            batch = await submit_many(ctx, second, few, tier=Tier.BULK)
            ids = [message.id for message in batch.messages]
            while await ctx.database.transact(lambda c: any_unsent(c, ids)):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.05)
            seconds = time.perf_counter() - started
            await wait_for_arrivals(rig, messages + few)
            peak = max(part.peak_mib for part in rig.usage().values())
        return {"messages": messages, "second_account_s": seconds, "peak_mib": peak}

    return asyncio.run(main())


def kill(rig: Rig, messages: int, *, latency: float) -> Figures:
    """Return how many messages a kill -9 of the bulk worker at full rate leaves in doubt, and their bound."""

    async def main() -> Figures:
        async with open_context(rig.stack.settings, name="bench") as ctx:
            caller = Caller(await accounts.find(ctx, "demo"), "bench")
            due = ctx.now() + timedelta(seconds=messages / SUBMIT_RATE) + LEAD
            for start in range(0, messages, BATCH):
                await submit_many(ctx, caller, min(BATCH, messages - start), tier=Tier.BULK, at=due)
            await analyze(ctx)
            await wait_for_arrivals(rig, messages // 3, still=False)
            before, began = int(rig.stats()["submits"]), time.perf_counter()
            await asyncio.sleep(1)
            rate = (int(rig.stats()["submits"]) - before) / (time.perf_counter() - began)
            rig.stack.supervisor.kill("worker-bulk")
            doubtful = await ctx.database.transact(_references_in_worker)
        await asyncio.sleep(0.5)
        seen = rig.arrivals(Tier.BULK)
        return {
            "rate": rate,
            "in_doubt": len(doubtful),
            "bound": rate * (latency + rig.stack.settings.flush_interval) * _ALLOWANCE,
            "in_doubt_and_seen": sum(reference in seen for reference in doubtful),
        }

    return asyncio.run(main())


async def second_account(ctx: Context) -> Account:
    """Return the second account, with a sender and credits."""
    try:
        account = await accounts.create(ctx, _OTHER, credits=1_000_000, country="KE")
    except AlreadyExists:
        return await accounts.find(ctx, _OTHER)
    await accounts.add_sender(ctx, account, "OTHER")
    return replace(account)


async def any_unsent(connection: AsyncConnection, ids: list[int]) -> bool:
    """Return whether one of these messages has not been sent yet."""
    query = text("SELECT 1 FROM messages WHERE id = ANY(:ids) AND status IN (10, 11) LIMIT 1")
    return await connection.scalar(query, {"ids": ids}) is not None


async def _references_in_worker(connection: AsyncConnection) -> list[str]:
    rows = await connection.execute(text("SELECT public_id FROM messages WHERE place = 'worker'"))
    return [str(row.public_id) for row in rows]
