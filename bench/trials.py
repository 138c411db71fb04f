"""The trials on a running stack: functions that return figures by name."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.client import Connection, quantile, send_requests
from bench.cpu import spent
from bench.database import database_url
from bench.rig import PROVIDER, SECRET, Rig
from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.account import Caller
from dispatcher.domain.messages.submission import AcceptedBatch, Submission
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.sandbox.receipts import SIGNATURE_HEADER
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.submissions.submit import submit

Figures = dict[str, float]

BATCH = 10_000
SUBMIT_RATE = 12_000  # messages per second, roughly
_NUMBERS = NumberPolicy(default_country="KE", national=True)
LEAD = timedelta(seconds=4)


def lift_rate_limit(rig: Rig) -> None:
    """Allow the account a million requests per minute: still counted, never refused."""

    async def main() -> None:
        async with open_context(rig.stack.settings, name="bench") as ctx:
            account = await accounts.find(ctx, "demo")
            await accounts.set_limits(ctx, account, replace(account.limits, rate=1_000_000))

    asyncio.run(main())


def delivery(rig: Rig, messages: int, *, critical: int = 0) -> Figures:
    """
    Return the figures of bulk messages that are due at the same time, with `critical` ones meanwhile.

    The rate counts from their time to the last arrival.
    """
    return asyncio.run(_delivery(rig, messages, critical))


async def _delivery(rig: Rig, messages: int, critical: int) -> Figures:
    async with open_context(rig.stack.settings, name="bench") as ctx:
        caller = Caller(await accounts.find(ctx, "demo"), "bench")
        due = ctx.now() + timedelta(seconds=messages / SUBMIT_RATE) + LEAD
        for start in range(0, messages, BATCH):
            await submit_many(ctx, caller, min(BATCH, messages - start), tier=Tier.BULK, at=due)
        await analyze(ctx)
        late = (ctx.now() - due).total_seconds()
        await asyncio.sleep(max(0.0, -late))
        before = rig.usage()
        lags = await send_critical(rig, ctx, caller, critical) if critical else []
        await wait_for_arrivals(rig, messages + critical)
        after = rig.usage()
        stats = rig.stats()
        seconds = float(stats["last_at"]) - due.timestamp()
        cpu = spent(before, after)
        figures: Figures = {
            "messages": messages,
            "late_s": max(0.0, late),
            "rate": messages / seconds,
            "cpu_us": sum(cpu.values()) / messages * 1e6,
            "duplicates": stats["duplicates"],
            "peak_mib": max(part.peak_mib for part in after.values()),
        }
        figures |= {f"cpu_us {name}": used / messages * 1e6 for name, used in cpu.items()}
        if lags:
            figures |= {
                "critical_p50_ms": quantile(lags, 0.5) * 1e3,
                "critical_p99_ms": quantile(lags, 0.99) * 1e3,
            }
        return figures


async def send_critical(rig: Rig, ctx: Context, caller: Caller, count: int) -> list[float]:
    """Submit critical messages, 20 per second; return the seconds from commit to arrival of each."""
    committed: dict[str, float] = {}
    for _ in range(count):
        batch = await submit_many(ctx, caller, 1, tier=Tier.CRITICAL)
        committed[str(batch.messages[0].public_id)] = time.time()
        await asyncio.sleep(0.05)
    await asyncio.sleep(2)
    arrived = rig.arrivals(Tier.CRITICAL)
    return [max(0.0, arrived[reference] - at) for reference, at in committed.items() if reference in arrived]


def lag(rig: Rig, messages: int) -> Figures:
    """Return how late messages of some seconds reach the provider on an idle stack."""

    async def main() -> Figures:
        async with open_context(rig.stack.settings, name="bench") as ctx:
            caller = Caller(await accounts.find(ctx, "demo"), "bench")
            first = ctx.now() + LEAD
            expected: dict[str, float] = {}
            for number in range(messages):
                at = first + timedelta(milliseconds=37 * number)
                batch = await submit_many(ctx, caller, 1, tier=Tier.STANDARD, at=at)
                expected[str(batch.messages[0].public_id)] = at.timestamp()
            await wait_for_arrivals(rig, messages)
            arrived = rig.arrivals(Tier.STANDARD)
            lags = [arrived[reference] - at for reference, at in expected.items()]
            early = sum(lag < 0 for lag in lags)
            return {
                "lag_p50_ms": quantile(lags, 0.5) * 1e3,
                "lag_p99_ms": quantile(lags, 0.99) * 1e3,
                "early": early,
            }

    return asyncio.run(main())


def single_submits(rig: Rig, requests: int, *, clients: int = 64) -> Figures:
    """Return the figures of single submits over HTTP to one API process, over so many connections."""

    async def main() -> Figures:
        before = rig.usage()
        answers, seconds = await send_requests(rig.api, clients=clients, requests=requests, make=_single(rig))
        cpu = spent(before, rig.usage())
        return {
            "requests_s": requests / seconds,
            "p50_ms": quantile(answers.seconds, 0.5) * 1e3,
            "p99_ms": quantile(answers.seconds, 0.99) * 1e3,
            "failed": requests - answers.statuses.get(200, 0),
            "cpu_us api": cpu.get("api", 0) / requests * 1e6,
            "cpu_us postgres": cpu.get("postgres", 0) / requests * 1e6,
        }

    return asyncio.run(main())


def large_submit(rig: Rig, *, mixed: bool) -> Figures:
    """Return the figures of 10,000 recipients in one request, with single submits meanwhile."""

    async def main() -> Figures:
        numbers = [_number(n, mixed=mixed) for n in range(BATCH)]
        connection = await Connection.open(*rig.api)
        _, body, headers = _single(rig)(0)
        whole = json.dumps({**body, "phone_numbers": numbers}).encode()
        meanwhile = asyncio.create_task(send_requests(rig.api, clients=8, requests=400, make=_single(rig)))
        await asyncio.sleep(0.1)
        started = time.perf_counter()
        status, _ = await connection.post("/api/v1/sms", whole, headers)
        seconds = time.perf_counter() - started
        answers, _ = await meanwhile
        connection.close()
        return {
            "accepted_s": seconds if status == 200 else float("nan"),
            "singles_p99_ms": quantile(answers.seconds, 0.99) * 1e3,
        }

    return asyncio.run(main())


def receipts(rig: Rig, messages: int) -> Figures:
    """Return how many receipts per second are ingested and matched, for so many sent messages."""

    async def main() -> Figures:
        async with open_context(rig.stack.settings, name="bench") as ctx:
            refs = await ctx.database.transact(lambda c: _sent_references(c, messages))
            before = rig.usage()
            started = time.perf_counter()
            await post_receipts(rig, refs)
            while await ctx.database.transact(lambda c: _any_unmatched(c, refs)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            seconds = time.perf_counter() - started
            cpu = spent(before, rig.usage())
        return {"receipts_s": len(refs) / seconds, "cpu_us": sum(cpu.values()) / len(refs) * 1e6}

    return asyncio.run(main())


async def post_receipts(rig: Rig, refs: list[str], *, clients: int = 64) -> None:
    """Post a signed receipt for each reference, over so many connections."""
    waiting = iter(refs)

    async def one() -> None:
        connection = await Connection.open(*rig.api)
        for ref in waiting:
            body = json.dumps({"reports": [{"id": ref, "status": "DELIVRD"}]}).encode()
            signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            status, answer = await connection.post(
                f"/receipts/{PROVIDER}", body, {SIGNATURE_HEADER: signature}
            )
            assert status == 200, answer
        connection.close()

    await asyncio.gather(*(one() for _ in range(clients)))


async def submit_many(
    ctx: Context, caller: Caller, count: int, *, tier: Tier, at: datetime | None = None
) -> AcceptedBatch:
    """Submit one batch through the service, and return it."""
    numbers = [_number(n) for n in range(count)]
    submission = Submission(recipients=numbers, text="Hello", numbers=_NUMBERS, tier=tier, not_before=at)
    return await submit(ctx, caller, submission)


def _single(rig: Rig):  # type: ignore[no-untyped-def]
    created = rig.stack.credentials
    headers = {"Authorization": f"Bearer {created.token}", "Content-Type": "application/json"}
    date = f"{datetime.now(UTC) + timedelta(days=300):%Y-%m-%d} 00:00:00"  # only accepted: never due

    def make(number: int) -> tuple[str, Mapping[str, object], Mapping[str, str]]:
        body = {
            "message_text": "Hello",
            "delivery_date": date,
            "sender_id": created.sender_id,
            "phone_numbers": _number(number),
        }
        return "/api/v1/sms", body, headers

    return make


_WORLD = (
    "+2547{:08}",
    "+336{:08}",
    "+4915{:09}",
    "+447700{:06}",
    "+1202555{:04}",
    "+9198{:08}",
    "+55119{:08}",
)


def _number(n: int, *, mixed: bool = False) -> str:
    shape = _WORLD[n % len(_WORLD)] if mixed else _WORLD[0]
    digits = int(shape.rpartition(":0")[2].rstrip("}"))
    return shape.format(n % 10**digits if digits > 4 else n % 10_000)


async def wait_for_arrivals(rig: Rig, messages: int, *, still: bool = True) -> None:
    """Wait until the provider has so many messages. Raises RuntimeError if none arrives for 30 s."""
    seen, since = -1, time.monotonic()
    while (count := int(rig.stats()["unique_references"])) < messages:
        if count != seen:
            seen, since = count, time.monotonic()
        if time.monotonic() - since > 30:
            raise RuntimeError(f"the provider has {count} of {messages} messages, and none arrived for 30 s")
        await asyncio.sleep(0.25)
    if still:
        await asyncio.sleep(0.5)  # until the last outcomes are recorded


def vacuum() -> None:
    """Vacuum now, so that autovacuum does not run during the next trial."""
    with psycopg.connect(database_url(), autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


async def analyze(ctx: Context) -> None:
    """Update the planner's statistics, as autovacuum does within a minute."""

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(text("ANALYZE messages"))

    await ctx.database.transact(work)


async def _sent_references(connection: AsyncConnection, messages: int) -> list[str]:
    rows = await connection.execute(
        text(
            "SELECT s.ref FROM provider_references s JOIN messages m ON m.id = s.message_id"
            " WHERE m.status = 12 LIMIT :n"
        ),
        {"n": messages},
    )
    return [row.ref for row in rows]


async def _any_unmatched(connection: AsyncConnection, refs: list[str]) -> bool:
    found = await connection.scalar(
        text(
            "SELECT 1 FROM provider_references s JOIN messages m ON m.id = s.message_id"
            " WHERE s.ref = ANY(:refs) AND m.status = 12 LIMIT 1"
        ),
        {"refs": refs},
    )
    return found is not None
