"""
One campaign of a million recipients, stage by stage: `python -m bench.campaign [--recipients N]`.

Its file is imported over the management API. The campaign is started some
minutes before its allowed hours open, is expanded meanwhile, and becomes due as
a whole when they open. Critical messages are submitted one by one while it is
expanded and while it is sent; during the sending another account also submits
100 bulk messages. When enough messages are sent, the rest is cancelled.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import datetime, timedelta

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.client import quantile
from bench.cpu import other_load, spent
from bench.faults import any_unsent, second_account
from bench.rig import Rig, run
from bench.trials import Figures, analyze, send_critical, submit_many, wait_for_arrivals
from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.campaigns.campaign import CampaignPlan, RunState
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.campaigns import campaigns, drafts
from dispatcher.service.context import Context

_LATENCY_MS = 50
_AUDIENCE = "bench"
_FEW = 100
_CRITICAL = 100
_LINES = 10_000  # of the file, generated at a time
_EXPANDED = 6000  # per second, roughly
_CLOSED = timedelta(minutes=6)  # longer than the time ahead at which recipients become messages


def main() -> None:
    """Run the stages and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.campaign", description=__doc__)
    parser.add_argument("--recipients", type=int, default=1_000_000)
    parser.add_argument("--delivered", type=int, help="cancel the rest after so many; default: a fifth")
    options = parser.parse_args()
    recipients: int = options.recipients
    delivered: int = options.delivered or recipients // 5
    if (load := other_load()) > 0.4:
        print(f"the machine is busy: {load:.1f} cores in use", file=sys.stderr)
    run(
        lambda rig: asyncio.run(_campaign(rig, recipients, delivered)),
        variables={"DISPATCHER_CAMPAIGN_AHEAD": str(recipients)},
    )


async def _measure(rig: Rig, name: str, stage: Awaitable[Figures]) -> None:
    """Print a stage's figures and duration, and CPU time and peak memory of each process."""
    before, started = rig.usage(), time.perf_counter()
    figures = await stage
    seconds, after = time.perf_counter() - started, rig.usage()
    print(f"{name}: {_rounded({'s': seconds, **figures})}", flush=True)
    print(f"  cpu s: {_rounded(spent(before, after))}", flush=True)
    print(f"  peak MiB: {_rounded({part: used.peak_mib for part, used in after.items()})}", flush=True)


async def _campaign(rig: Rig, recipients: int, delivered: int) -> None:
    rig.settings(latency_ms=_LATENCY_MS, slow_share=0)
    async with open_context(rig.stack.settings, name="bench") as ctx:
        account = await accounts.find(ctx, "demo")
        await accounts.top_up(ctx, account, recipients, note="bench")
        paid = (await accounts.find(ctx, account.name)).balance
        await _measure(rig, "import", _import(rig, recipients))
        opens = _full_minute(ctx.now() + timedelta(seconds=15 + recipients / _EXPANDED))
        created = await drafts.create(ctx, account, _plan(ctx.now(), opens))
        campaign_id = str(created.public_id)
        await campaigns.start(ctx, account, campaign_id)
        await _measure(rig, "expand", _expand(rig, ctx, account, campaign_id, recipients))
        await asyncio.sleep(max(0.0, (opens - ctx.now()).total_seconds()))
        await _measure(rig, "deliver", _deliver(rig, ctx, account, delivered, opens))
        await _measure(rig, "cancel the rest", _cancel(rig, ctx, account, campaign_id, recipients, paid))
    print(f"peak of this program: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _full_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _plan(now: datetime, opens: datetime) -> CampaignPlan:
    hours = {"mon-sun": [f"{opens:%H:%M}-{opens - _CLOSED:%H:%M}"], "zone": "UTC"}
    return CampaignPlan(name="bench", audience_id=_AUDIENCE, text="Hello {{name}}", at=now, hours=hours)


async def _import(rig: Rig, recipients: int) -> Figures:
    created = json.loads((rig.stack.plan.directory / "credentials.json").read_text(encoding="utf-8"))
    async with httpx.AsyncClient(base_url=rig.stack.plan.base_url, timeout=None, trust_env=False) as client:
        response = await client.post(
            "/manage/v1/accounts/demo/audiences",
            params={"audience": _AUDIENCE},
            content=_file(recipients),
            headers={"Authorization": f"Bearer {created['manage']['token']}"},
        )
    response.raise_for_status()
    assert response.json()["recipients"] == recipients, response.text
    return {"recipients": recipients}


async def _file(recipients: int) -> AsyncIterator[bytes]:
    """Yield a CSV file in chunks, so that it is never in memory as a whole."""
    yield b"to,name\n"
    for start in range(0, recipients, _LINES):
        lines = (f"+2547{n:08},Name{n}\n" for n in range(start, min(start + _LINES, recipients)))
        yield "".join(lines).encode()


async def _expand(rig: Rig, ctx: Context, account: Account, campaign_id: str, recipients: int) -> Figures:
    lags = await send_critical(rig, ctx, Caller(account, "bench"), _CRITICAL)
    while True:
        report = await campaigns.show(ctx, account, campaign_id, limit=1)
        if report.runs and report.runs[0].run.expanded_at:
            break
        await asyncio.sleep(0.25)
    run = report.runs[0].run
    assert run.expanded_at is not None
    assert run.messages == recipients, run
    await analyze(ctx)
    seconds = (run.expanded_at - run.created_at).total_seconds()
    return {"messages_s": recipients / seconds, **_critical(lags)}


async def _deliver(rig: Rig, ctx: Context, account: Account, delivered: int, due: datetime) -> Figures:
    """Return the figures of the delivery, with other messages from one second after the campaign is due."""
    await asyncio.sleep(1)
    others = asyncio.create_task(_others(ctx))
    lags = await send_critical(rig, ctx, Caller(account, "bench"), _CRITICAL)
    await wait_for_arrivals(rig, delivered + _FEW + 2 * _CRITICAL, still=False)
    stats = rig.stats()
    seconds = float(stats["last_at"]) - due.timestamp()
    return {
        **await _released(ctx),
        "rate": stats["unique_references"] / seconds,
        "duplicates": stats["duplicates"],
        "other_account_s": await others,
        **_critical(lags),
    }


def _critical(lags: list[float]) -> Figures:
    return {"critical_p50_ms": quantile(lags, 0.5) * 1e3, "critical_p99_ms": quantile(lags, 0.99) * 1e3}


async def _released(ctx: Context) -> Figures:
    """Return how many of the campaign's messages are released, and how long after their time."""
    released, p50, p99, early = await ctx.database.transact(_release_lags)
    return {"released": released, "release_p50_s": p50, "release_p99_s": p99, "early": early}


async def _others(ctx: Context) -> float:
    """Return the seconds until a few bulk messages of another account are all sent."""
    caller = Caller(await second_account(ctx), "bench")
    started = time.perf_counter()
    batch = await submit_many(ctx, caller, _FEW, tier=Tier.BULK)
    ids = [message.id for message in batch.messages]
    while await ctx.database.transact(lambda c: any_unsent(c, ids)):  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.05)
    return time.perf_counter() - started


async def _cancel(
    rig: Rig, ctx: Context, account: Account, campaign_id: str, recipients: int, paid: int
) -> Figures:
    """Cancel the rest and wait for the end of the run; withdrawn and sent messages must add up to all."""
    ended = await campaigns.cancel(ctx, account, campaign_id)
    seconds = -time.perf_counter()
    found = (await campaigns.show(ctx, account, campaign_id, limit=1)).runs[0]
    while found.run.state is not RunState.CANCELLED:
        await asyncio.sleep(0.1)
        found = (await campaigns.show(ctx, account, campaign_id, limit=1)).runs[0]
    seconds += time.perf_counter()
    withdrawn = sum(count for status, count in found.statuses.items() if status.is_refunded)
    sent = int(rig.stats()["unique_references"]) - _FEW - 2 * _CRITICAL
    charged = paid - (await accounts.find(ctx, account.name)).balance - 2 * _CRITICAL
    figures: Figures = {
        "withdrawn_at_once": ended.withdrawn,
        "rest_s": seconds,
        "withdrawn": withdrawn,
    }
    return figures | {"sent": sent, "lost": recipients - withdrawn - sent, "charged_unsent": charged - sent}


async def _release_lags(connection: AsyncConnection) -> tuple[int, float, float, int]:
    query = text("""
        SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY lag),
               percentile_cont(0.99) WITHIN GROUP (ORDER BY lag),
               count(*) FILTER (WHERE lag < 0)
        FROM (
            SELECT extract(epoch FROM e.at - m.not_before) AS lag
            FROM messages m JOIN message_events e ON e.message_id = m.id
            WHERE m.flow <> 0 AND e.reason = 'due'
        ) AS released
    """)
    released, p50, p99, early = (await connection.execute(query)).one()
    return released, float(p50 or 0), float(p99 or 0), early


def _rounded(figures: Mapping[str, float]) -> str:
    return json.dumps({name: round(value, 1) for name, value in figures.items()})


if __name__ == "__main__":
    main()
