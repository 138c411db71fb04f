"""
The line before one provider: messages that have a token wait for a slot, are claimed together, and go.

"Claimed" means "the request goes out now": who stands in line is not claimed,
and a killed worker leaves in doubt only what was out.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

import structlog

from dispatcher.domain.errors import Unavailable
from dispatcher.domain.tier import Tier
from dispatcher.service.admit import condition, hold
from dispatcher.service.call import Claims
from dispatcher.service.chunk import Ticket
from dispatcher.service.context import Context
from dispatcher.service.slots import Slots
from dispatcher.store import delivery

log = structlog.get_logger()

_ROWS = 100
_STARTS = 12  # calls that start in one go, about a millisecond; then answers that came meanwhile have a turn
# How long a free slot waits for company, if some came a moment ago: a claim of fifty costs little more than
# a claim of one.
_GATHER = {Tier.CRITICAL: 0.001, Tier.STANDARD: 0.005, Tier.BULK: 0.008}
_COMPANY = 2
_LOOK = 0.1
_NO_SLOT = 1.0

Send = Callable[[str, Claims, datetime], Awaitable[None]]
"""Makes one call with these messages, within their lease, and gives its slot back when it has ended."""


class Line:
    """
    One for each provider in each process. `may_claim` is asked before each claim.

    A message's ticket ends with its claim: a provider that hangs holds its
    slots, and not the lane entries that its messages came with. One claim is
    under way at a time: what comes meanwhile is claimed together next, and
    Postgres is left to others in between.
    """

    def __init__(
        self, ctx: Context, name: str, slots: Slots, *, may_claim: Callable[[], bool], send: Send
    ) -> None:
        self._ctx = ctx
        self._name = name
        self._slots = slots
        self._may_claim = may_claim
        self._send = send
        self._a_call = ctx.ways[name].provider.max_batch
        self._waiting: deque[Ticket] = deque()
        self._next_look: asyncio.TimerHandle | None = None
        self._is_for_slot = False
        self._is_claiming = False
        self._claimed_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        slots.on_free = self._look_soon

    def put(self, ticket: Ticket) -> None:
        """Let a message stand in line."""
        self._waiting.append(ticket)
        if len(self._waiting) >= _ROWS <= self._slots.free and not self._is_claiming:
            self._look()
        else:
            self._look_soon()

    async def idle(self) -> None:
        """Wait until no call is out and none is about to be."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _look_soon(self) -> None:
        """
        Look when a slot is free and a few more have come; else now and then, for who waits in vain.

        The end of a claim looks by itself.
        """
        if not self._waiting or self._is_claiming:
            return
        for_slot = self._slots.free > 0
        if self._next_look is not None:
            if self._is_for_slot or not for_slot:
                return
            self._next_look.cancel()
        self._is_for_slot = for_slot
        self._next_look = asyncio.get_running_loop().call_later(self._pause(), self._look)

    def _pause(self) -> float:
        if not self._is_for_slot:
            return _LOOK
        gather = _GATHER[self._waiting[0].due.tier]
        has_company = self._slots.out and time.monotonic() - self._claimed_at < _COMPANY * gather
        return gather if has_company else 0.0

    def _look(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        self._turn_away()
        if self._waiting and self._slots.free and not self._is_claiming:
            self._is_claiming = True
            calls = min(self._slots.free, -(-min(len(self._waiting), _ROWS) // self._a_call))
            self._slots.take(calls)
            count = min(calls * self._a_call, len(self._waiting))
            self._run(self._go([self._waiting.popleft() for _ in range(count)], calls))
        self._look_soon()

    def _turn_away(self) -> None:
        """
        Send back those whom no slot came free for: to wait where an operator sees them wait.

        All of them, if the provider hangs or is barred since they came: what
        has another way takes that when it is read again.
        """
        if not self._waiting:
            return
        nobody = condition(self._ctx, self._name).is_barred or self._slots.is_stuck
        now = asyncio.get_running_loop().time()
        late: list[Ticket] = []
        while self._waiting and (nobody or self._waiting[0].until <= now):
            late.append(self._waiting.popleft())
        if late:
            self._run(self._hold(late))

    async def _hold(self, late: Sequence[Ticket]) -> None:
        pause = max(_NO_SLOT, len(self._waiting) * self._slots.latency / self._slots.limit)
        wake_at = self._ctx.now() + timedelta(seconds=pause)
        try:
            await hold(self._ctx, [(ticket.due.id, wake_at) for ticket in late])
        except Unavailable as error:
            log.warning("left_to_the_clock", messages=len(late), error=str(error))
        finally:
            for ticket in late:
                ticket.end()

    async def _go(self, tickets: Sequence[Ticket], calls: int) -> None:
        lease_end = self._ctx.now() + min(lease(self._ctx, tier) for tier in {t.due.tier for t in tickets})
        began = time.monotonic()
        try:
            claimed = await self._claim(tickets, lease_end)
        finally:  # whatever happened, or nobody is claimed any more
            self._is_claiming = False
        self._claimed_at = time.monotonic()
        self._slots.note_claim(self._claimed_at - began + _GATHER[tickets[0].due.tier])
        self._look_soon()
        groups = list(_groups(claimed, self._a_call))
        for _ in range(calls - len(groups)):
            self._slots.release()
        for number, group in enumerate(groups):
            if number and number % _STARTS == 0:
                await asyncio.sleep(0)
            self._run(self._call(group, lease_end))

    async def _claim(self, tickets: Sequence[Ticket], lease_end: datetime) -> list[tuple[Ticket, int]]:
        """Claim what may be; the others end here."""
        attempts: dict[delivery.Reading, int] = {}
        failure: Exception | None = None
        if self._may_claim():
            wanted = [(ticket.due.id, ticket.due.seq) for ticket in tickets]
            try:
                attempts = await self._ctx.database.single(
                    lambda connection: delivery.claim(
                        connection, wanted, provider=self._name, lease_end=lease_end
                    )
                )
            except Unavailable as error:
                log.warning("not_claimed", messages=len(tickets), error=str(error))
            except Exception as error:  # a bug, told by the chunk; the slots must come free all the same
                failure = error
        claimed = []
        for ticket in tickets:
            # Two chunks may name it: the claim is one's.
            attempt = attempts.pop((ticket.due.id, ticket.due.seq), None)
            if attempt is not None:
                claimed.append((ticket, attempt))
                ticket.end()
            elif failure is not None:
                ticket.end(failure)
            else:
                ticket.left()
        return claimed

    async def _call(self, group: Claims, lease_end: datetime) -> None:
        try:
            await self._send(self._name, group, lease_end)
        except Exception:  # ours: a provider's failures are outcomes. Rescue finds the messages, in doubt
            log.exception("call_crashed", provider=self._name, message_ids=[t.due.id for t, _ in group])

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def lease(ctx: Context, tier: Tier) -> timedelta:
    """Tell how long a claim lasts: for critical only so long that the slowest call fits well."""
    whole = timedelta(seconds=ctx.settings.lease)
    if tier is not Tier.CRITICAL:
        return whole
    slowest = max((way.config.call_timeout for way in ctx.ways.values()), default=timedelta())
    return min(whole, slowest * 2)


def _groups(claimed: Claims, size: int) -> Iterator[Claims]:
    some = iter(claimed)
    while group := list(islice(some, size)):
        yield group
