"""A dispatcher for tests: real Postgres and Valkey, a manual clock, and scripted providers."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.engine import Row

from dispatcher.domain.accounts.account import Account, Caller
from dispatcher.domain.delivery.message import Attempt
from dispatcher.domain.delivery.provider import (
    Accepted,
    Gate,
    Outcome,
    Outgoing,
    ProviderConfig,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
    Traffic,
    Unsent,
)
from dispatcher.domain.errors import BadReceipt
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import AcceptedBatch, Submission
from dispatcher.domain.messages.window import Phase
from dispatcher.domain.numbers.msisdn import NumberPolicy
from dispatcher.domain.tier import Tier
from dispatcher.lanes.breaker import Breakers
from dispatcher.lanes.connect import open_async_redis
from dispatcher.lanes.failures import FailureLog
from dispatcher.lanes.heartbeats import Heartbeats
from dispatcher.lanes.limits import Limits
from dispatcher.lanes.throttle import Throttle
from dispatcher.service.accounts import accounts
from dispatcher.service.background import BackgroundTasks
from dispatcher.service.clock.sweeps import Clock
from dispatcher.service.context import ConfiguredProvider, Context
from dispatcher.service.database import Database
from dispatcher.service.delivery.worker import Worker
from dispatcher.service.provider_health import ProviderHealth
from dispatcher.service.submissions.submit import submit
from dispatcher.settings import Settings
from dispatcher.store.delivery import claims
from dispatcher.store.delivery.claims import MessageVersion
from dispatcher.store.engine import open_engine

T = TypeVar("T")

NUMBERS = NumberPolicy(default_country="KE", national=True)
NUMBER = "+254712345678"
_BLOCKED = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass
class ManualTime:
    """A clock that advances only when the test says so."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    uncertainty: timedelta = timedelta()

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


@dataclass
class RecordingLanes:
    """Lanes that only record the ids that are published."""

    published: list[tuple[Tier, int]] = field(default_factory=list)
    wakes: list[datetime] = field(default_factory=list)
    reachable: bool = True

    def publish(self, tier: Tier, ids: Sequence[int]) -> None:
        self.published += [(tier, i) for i in ids]

    def wake(self, at: datetime) -> None:
        self.wakes.append(at)

    def take(self) -> list[int]:
        ids = [i for _, i in self.published]
        self.published.clear()
        return ids


Answer = Callable[[Outgoing], Awaitable[Outcome]]


@dataclass
class ScriptedProvider:
    """Accepts every message, unless the test sets another `answer`; records the messages in `seen`."""

    answer: Answer | None = None
    seen: list[Outgoing] = field(default_factory=list)
    max_batch: int = 1

    async def send(self, batch: Sequence[Outgoing], gate: Gate) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for outgoing in batch:
            if not gate():
                outcomes.append(Unsent("the gate was closed"))
                continue
            self.seen.append(outgoing)
            if self.answer is None:
                outcomes.append(Accepted((f"ref-{outgoing.reference}-{outgoing.attempt}",)))
            else:
                outcomes.append(await self.answer(outgoing))
        return outcomes

    def always(self, outcome: Outcome) -> None:
        async def answer(_: Outgoing) -> Outcome:
            return outcome

        self.answer = answer

    def read_receipt(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        try:
            ref, status = request.body.decode().split("=")
            return [ReceiptReport(ref=ref, reference=None, status=Status(int(status)))]
        except ValueError:
            raise BadReceipt(f"not a receipt: {request.body!r}") from None

    async def close(self) -> None:
        pass


async def _end_tasks_since(before: "set[asyncio.Task[Any]]") -> None:
    """End the tasks that a test left: a connection that they return after the pool was closed stays open."""
    left = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=5)


class World:
    """A dispatcher of one test; `run` opens it in a new event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.time = ManualTime()
        self.lanes = RecordingLanes()
        self.providers: dict[str, ScriptedProvider] = {"sim": ScriptedProvider()}
        self.configs: dict[str, ProviderConfig] = {}
        self.ctx: Context
        self.clock: Clock
        self.caller: Caller
        self.sender_id: int

    def run(self, story: Callable[[], Awaitable[T]], *, credits: int = 10_000) -> T:
        """Open the dispatcher with one account and one sender, run the test's story, close it."""

        async def with_an_account() -> T:
            await self.create_account(credits=credits)
            return await story()

        return self.run_without_account(with_an_account)

    async def create_account(self, *, credits: int = 10_000) -> None:
        """Create the account `shop` and its sender."""
        account = await accounts.create(self.ctx, "shop", credits=credits, country="KE")
        self.sender_id = await accounts.add_sender(self.ctx, account, "SHOP")
        self.caller = Caller(account, "test")

    def run_without_account(self, story: Callable[[], Awaitable[T]]) -> T:
        """Open the dispatcher without creating an account, run the test's story, close it."""

        async def main() -> T:
            async with self.open():
                return await story()

        return asyncio.run(main())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        engine = open_engine(self.settings.database_url.get_secret_value(), pool_size=5, name="test")
        redis = open_async_redis(self.settings.redis_url.get_secret_value())
        providers = {
            name: ConfiguredProvider(
                self.configs.get(
                    name, ProviderConfig(name=name, plugin="test", options={}, tps=10_000, takes=Traffic.BOTH)
                ),
                provider,
            )
            for name, provider in self.providers.items()
        }
        database = Database(engine)
        configs = [configured.config for configured in providers.values()]
        health = ProviderHealth(configs, database, Breakers(redis), wake=self.lanes.wake)
        self.ctx = Context(
            settings=self.settings,
            database=database,
            time=self.time,
            lanes=self.lanes,
            throttle=Throttle(redis),
            limits=Limits(redis),
            heartbeats=Heartbeats(redis),
            providers=providers,
            provider_health=health,
            background=BackgroundTasks(FailureLog(redis, process="test")),
            provider_states=health.states,
            rng=random.Random(1),
        )
        self.clock = Clock(self.ctx)
        before = asyncio.all_tasks()
        try:
            yield
        finally:
            await self.ctx.background.close()
            await health.close()
            await _end_tasks_since(before)
            await redis.aclose()
            await engine.dispose()

    @property
    def sim(self) -> ScriptedProvider:
        return self.providers["sim"]

    async def another_account(self, name: str, *, credits: int = 100_000) -> Caller:
        account: Account = await accounts.create(self.ctx, name, credits=credits, country="KE")
        await accounts.add_sender(self.ctx, account, name.upper())
        return Caller(account, "test")

    async def submit(
        self,
        to: str | Sequence[str] = NUMBER,
        *,
        tier: Tier = Tier.STANDARD,
        after: timedelta | None = None,
        until: timedelta | None = None,
        caller: Caller | None = None,
        text: str = "Hello",
        **more: Any,
    ) -> AcceptedBatch:
        """Submit messages; the window begins `after` and ends `until` from now."""
        now = self.time.now()
        submission = Submission(
            recipients=[to] if isinstance(to, str) else to,
            text=text,
            numbers=NUMBERS,
            tier=tier,
            not_before=None if after is None else now + after,
            not_after=None if until is None else now + until,
            **more,
        )
        return await submit(self.ctx, caller or self.caller, submission)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """Open a worker; its outcomes are written when the block ends."""
        worker = Worker(self.ctx)
        writing = asyncio.create_task(worker.recorder.run())
        try:
            yield worker
            await worker.idle()
        finally:
            worker.recorder.stop()
            await writing

    async def deliver(self, ids: Sequence[int] | None = None) -> None:
        """Deliver the published messages, or those with these ids."""
        async with self.worker() as worker:
            await worker.deliver(self.lanes.take() if ids is None else ids)

    async def claim(self, message_id: int, *, lease: timedelta = timedelta(seconds=30)) -> int:
        """Claim a message as a worker that then dies; return the number of the attempt."""
        now, read = self.time.now(), MessageVersion(message_id, (await self.row(message_id)).seq)
        claimed = await self.ctx.database.transact(
            lambda c: claims.claim(c, [read], provider="sim", now=now, lease_end=now + lease)
        )
        return claimed[read]

    async def claim_and_call(self, message_id: int, call: Callable[[Outgoing], Outcome]) -> Attempt | None:
        """
        Claim a message and call the provider, as a worker that dies before it writes the outcome.

        Return the attempt, or None if a worker would not send it now.
        """
        due = await self.ctx.database.single(lambda c: claims.read(c, [message_id]))
        if not due or due[0].opted_out or due[0].window.phase(self.time.now()) is not Phase.OPEN:
            return None
        [message] = due
        attempt = await self.claim(message_id)
        return Attempt(
            message_id=message_id,
            attempt=attempt,
            tier=message.tier,
            not_after=message.window.not_after,
            deferrals=message.deferrals,
            doubts=message.doubts,
            provider="sim",
            outcome=call(message.outgoing(attempt)),
            parts_taken=message.parts_taken,
        )

    async def row(self, message_id: int) -> Row[tuple[object, ...]]:
        return await self.one("SELECT * FROM messages WHERE id = :id", id=message_id)

    async def events(self, message_id: int) -> list[tuple[int, str]]:
        rows = await self.all(
            "SELECT status, reason FROM message_events WHERE message_id = :id ORDER BY seq", id=message_id
        )
        return [(row.status, row.reason) for row in rows]

    async def one(self, sql: str, **parameters: object) -> Row[tuple[object, ...]]:
        [row] = await self.all(sql, **parameters)
        return row

    async def all(self, sql: str, **parameters: object) -> Sequence[Row[tuple[object, ...]]]:
        async def work(connection: object) -> Sequence[Row[tuple[object, ...]]]:
            result = await connection.execute(text(sql), parameters)  # type: ignore[attr-defined]
            return result.all() if result.returns_rows else []

        return await self.ctx.database.transact(work)

    @asynccontextmanager
    async def locked(self, table: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """Lock all rows of a table; the value waits until so many transactions wait for a lock."""

        async def until_blocked(count: int) -> None:
            while len(await self.all(_BLOCKED)) < count:  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.01)

        async with self.ctx.database._engine.begin() as connection:
            await connection.execute(text(f"SELECT FROM {table} FOR UPDATE"))
            yield until_blocked

    async def balance(self) -> int:
        row = await self.one("SELECT balance FROM accounts WHERE name = 'shop'")
        total = await self.one(
            "SELECT (SELECT sum(amount) FROM ledger WHERE account_id = :id)"
            " - (SELECT coalesce(sum(amount), 0) FROM reservations r WHERE account_id = :id"
            "    AND NOT EXISTS (SELECT FROM batches b WHERE b.id = r.batch_id)) AS n",
            id=self.caller.account.id,
        )
        assert row.balance == total.n, (
            "the balance is the ledger's sum less what is reserved for batches to come"
        )
        return int(row.balance)
