"""Messages in each state, and every statement that changes messages, with arguments that fit all of them."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatcher.domain.delivery.message import Attempt, DecidedAttempt, DoubtPolicy
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    PartlyAccepted,
    ReceiptReport,
    Rejected,
    Unknown,
    Unsent,
)
from dispatcher.domain.delivery.retry import RetryPolicy
from dispatcher.domain.delivery.verdict import decide
from dispatcher.domain.messages.edit import Reschedule
from dispatcher.domain.messages.edit_rules import TextChanged, WindowChanged, change_window
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import MISSED, OPEN, Place, Status
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.messages.window import Window
from dispatcher.domain.tier import Tier
from dispatcher.store.accounts import hours
from dispatcher.store.campaigns import pauses, run_messages
from dispatcher.store.clock import release, sweeps
from dispatcher.store.delivery import claims, outcomes
from dispatcher.store.messages import edits
from dispatcher.store.receipts import ingest, matching
from dispatcher.store.receipts.matching import MatchStep, ReceiptResult
from dispatcher.store.tables import metadata

NOW = datetime.now(UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
WINDOW = Window(NOW - HOUR, NOW + HOUR)
PATIENCE = RetryPolicy(receipt=72 * HOUR, backoff_base=2 * SECOND, backoff_cap=300 * SECOND)
LIMIT = 10_000
TIERS = tuple(Tier)

DROPPED = (Status.NO_SENDER, Status.INVALID_SENDER, Status.OPTED_OUT, Status.EXPIRED, Status.NO_ROUTE)
REPORTED = (Status.RECEIVED, *sorted(MISSED))


@dataclass(frozen=True, slots=True)
class State:
    status: Status
    place: Place | None


STATES = [
    State(Status.SCHEDULED, Place.HELD),
    *(State(Status.PENDING, place) for place in Place),
    *(State(status, None) for status in Status if status not in OPEN),
]


OUT = [(0, None), (1, None), (0, "101")]
"""The doubts and the taken parts of a message."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Messages in each state and tier, in a run and outside, in doubt, sent in part, and neither."""

    account_id: int
    campaign_id: int
    run_id: int
    rows: Sequence[Row[Any]]

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.rows]


async def store(connection: AsyncConnection) -> Stored:
    async def insert(table: str, **values: object) -> int:
        target = metadata.tables[table]
        return int(await connection.scalar(target.insert().values(**values).returning(target.c.id)) or 0)

    account_id = await insert("accounts", name="shop")
    sender_id = await insert("senders", account_id=account_id, name="SHOP")
    audience_id = await insert("audiences", **_audience(account_id))
    campaign_id = await insert(
        "campaigns", public_id=uuid4(), account_id=account_id, name="spring", state="active", text="Hello",
        audience_id=audience_id, sender_id=sender_id, tier=Tier.BULK, timezone="UTC", first_at=NOW,
    )  # fmt: skip
    run_id = await insert(
        "runs", campaign_id=campaign_id, due_at=NOW, starts_at=NOW, state="sending", zone_ranks=[],
        zone_positions=[], total=0,
    )  # fmt: skip
    batch = {"account_id": account_id, "dialect": "test", "tier": Tier.BULK, "created_at": NOW, **_window()}
    batches = {
        flow: await insert("batches", public_id=uuid4(), run_id=flow or None, **batch) for flow in (0, run_id)
    }
    messages = metadata.tables["messages"]
    rows = [
        message(state, tier, doubts, taken) | {"account_id": account_id, "batch_id": batch_id, "flow": flow}
        for state in STATES
        for tier in TIERS
        for doubts, taken in (OUT if state.status is Status.PENDING else OUT[:1])
        for flow, batch_id in batches.items()
    ]
    await connection.execute(messages.insert(), rows)
    stored = (await connection.execute(select(messages).order_by(messages.c.id))).all()
    return Stored(account_id, campaign_id, run_id, stored)


def message(state: State, tier: Tier, doubts: int = 0, taken: str | None = None) -> dict[str, object]:
    is_awaited = state.place not in {None, Place.READY} or state.status is Status.SENT
    return {
        "public_id": uuid4(), "tier": tier.value, "number": "+254712345678", "number_as_given": "",
        "country": "KE", "text": "Hello", "segments": 1, "status": state.status.value, "place": state.place,
        "wake_at": NOW - SECOND if is_awaited else None, "attempt": 2, "doubts": doubts, "parts_taken": taken,
        "provider": "sim", "created_at": NOW, "moved_at": NOW,
        "wait_kind": "provider" if state.place is Place.HELD else None, "waits_for": "sim paused",
        **_window(),
    }  # fmt: skip


def _window() -> dict[str, datetime]:
    return {"not_before": WINDOW.not_before, "not_after": WINDOW.not_after}


def _audience(account_id: int) -> dict[str, object]:
    return {"public_id": uuid4(), "account_id": account_id, "name": "all", "state": "ready", "columns": []}


Statement = Callable[[AsyncConnection, Stored], Awaitable[object]]


async def _release_in_turn(c: AsyncConnection, stored: Stored) -> None:
    for tier in TIERS:
        due = await release.due_flows(c, tier, now=NOW)
        await release.release_in_turn(c, tier, due, now=NOW, limit=LIMIT, depths=dict.fromkeys(TIERS, LIMIT))


async def _release_if_none_is_ready(c: AsyncConnection, stored: Stored) -> None:
    await c.execute(text("DELETE FROM messages WHERE place = 'ready'"))
    await release.release(c, TIERS, now=NOW, limit=LIMIT, depths=dict.fromkeys(TIERS, LIMIT))


async def _fill(c: AsyncConnection, stored: Stored) -> None:
    for tier in TIERS:
        await sweeps.fill(c, tier, room=LIMIT, now=NOW)


async def _requeue(c: AsyncConnection, stored: Stored) -> None:
    for tier in TIERS:
        await sweeps.requeue(c, tier=tier, now=NOW, limit=LIMIT)


async def _rescue(c: AsyncConnection, stored: Stored, *, resends: int) -> None:
    await _decide_and_record(c, await sweeps.lock_overdue(c, now=NOW, limit=LIMIT), resends=resends)


async def _record(
    c: AsyncConnection,
    stored: Stored,
    *,
    outcome: Outcome,
    now: datetime = NOW,
    deferrals: int = 0,
    is_over: bool = False,
) -> None:
    """Record an outcome of the current claim of each message, or with `is_over` of the one before it."""
    tries = [
        Attempt(
            message_id=row.id,
            attempt=row.attempt - is_over,
            tier=Tier(row.tier),
            not_after=row.not_after,
            deferrals=deferrals,
            doubts=row.doubts,
            provider="sim",
            outcome=outcome,
            parts_taken=PartsTaken.read(row.parts_taken) if row.parts_taken else None,
        )
        for row in stored.rows
    ]
    await _decide_and_record(c, tries, now=now)


async def _decide_and_record(
    c: AsyncConnection, tries: Sequence[Attempt], *, now: datetime = NOW, resends: int = 3
) -> None:
    doubt, rng = DoubtPolicy(resends), random.Random(1)
    decided = [DecidedAttempt(t, decide(t, now=now, retry=PATIENCE, doubt=doubt, rng=rng)) for t in tries]
    await outcomes.record(c, decided, now=now, polls={})


async def _claim(c: AsyncConnection, stored: Stored) -> None:
    wanted = [claims.MessageVersion(row.id, row.seq) for row in stored.rows]
    await claims.claim(c, wanted, provider="sim", now=NOW, lease_end=NOW + HOUR)


async def _drop(c: AsyncConnection, stored: Stored, *, status: Status) -> None:
    dropped = [claims.DroppedMessage(message_id, status, "x") for message_id in stored.ids]
    await claims.drop(c, dropped, now=NOW)


async def _hold(c: AsyncConnection, stored: Stored) -> None:
    token = (WaitKind.TOKEN, "sim", NOW)
    await claims.hold(c, [claims.HeldMessage(message_id, NOW + SECOND, *token) for message_id in stored.ids])


async def _wait_for_hours(c: AsyncConnection, stored: Stored) -> None:
    waits = [hours.HoursWait(message_id, NOW + SECOND, None, "x") for message_id in stored.ids]
    await hours.hold_until_open(c, waits, now=NOW)


async def _release_from_hours(c: AsyncConnection, stored: Stored) -> None:
    await c.execute(text("UPDATE messages SET wait_kind = 'hours' WHERE place = 'held'"))
    await hours.make_due(c, stored.account_id, TIERS, now=NOW, after=hours.HoursCursor(), limit=LIMIT)


async def _reschedule(c: AsyncConnection, stored: Stored, *, change: Reschedule) -> None:
    chosen = edits.EditSelection(stored.account_id, only_open=True)
    waiting = await edits.read_waiting(c, chosen, stored.ids, lock=True, with_variables=False)
    changes = [change_window(message, change, NOW) for message in waiting]
    await edits.reschedule(c, [one for one in changes if isinstance(one, WindowChanged)], now=NOW)


async def _reschedule_unlocked(c: AsyncConnection, stored: Stored) -> None:
    window = Window(NOW + SECOND, NOW + 2 * HOUR)
    changes = [WindowChanged(message_id, window, Place.HELD, NOW + SECOND, "x") for message_id in stored.ids]
    await edits.reschedule(c, changes, now=NOW)


async def _change_text(c: AsyncConnection, stored: Stored) -> None:
    changes = [TextChanged(row.id, row.batch_id, "new", 1, 0, 0) for row in stored.rows]
    await edits.change_text(c, changes, now=NOW)


async def _apply_step(c: AsyncConnection, stored: Stored, *, status: Status) -> None:
    steps = [MatchStep(message_id, status, "sim", "x", None) for message_id in stored.ids]
    await matching.apply_steps(c, steps, now=NOW)


async def _store_receipt(c: AsyncConnection, stored: Stored, *, status: Status) -> None:
    report = ReceiptReport(ref="r", reference=None, status=status)
    ends = [ReceiptResult("moved", message_id, None) for message_id in stored.ids]
    seqs = [row.seq for row in stored.rows]
    await ingest.store(c, [matching.ReceivedReceipt("sim", report)] * len(ends), ends, seqs, now=NOW)


PARTLY = PartlyAccepted(3, {1: "r"}, Deferred("later"))
OUTCOMES: Mapping[str, Statement] = {
    "accepted": partial(_record, outcome=Accepted(("r",))),
    "accepted after its claim": partial(_record, outcome=Accepted(("r",)), is_over=True),
    "deferred": partial(_record, outcome=Deferred("later")),
    "deferred too often": partial(_record, outcome=Deferred("later"), deferrals=9),
    "deferred and too late": partial(_record, outcome=Deferred("later"), now=WINDOW.not_after),
    "partly accepted": partial(_record, outcome=PARTLY),
    "partly accepted after its claim": partial(_record, outcome=PARTLY, is_over=True),
    "partly accepted and too late": partial(_record, outcome=PARTLY, now=WINDOW.not_after),
    "unsent": partial(_record, outcome=Unsent("refused")),
    "unsent after its claim": partial(_record, outcome=Unsent("refused"), is_over=True),
    "unknown": partial(_record, outcome=Unknown("silence")),
    "unknown and too late": partial(_record, outcome=Unknown("silence"), now=WINDOW.not_after),
    **{f"rejected {s.value}": partial(_record, outcome=Rejected(s, "no")) for s in sorted(MISSED)},
}

STATEMENTS: Mapping[str, Statement] = {
    "release": lambda c, _: release.release(
        c, TIERS, now=NOW, limit=LIMIT, depths=dict.fromkeys(TIERS, LIMIT)
    ),
    "release if none is ready": _release_if_none_is_ready,
    "release in turn": _release_in_turn,
    "release messages that wait for a provider": lambda c, _: release.make_due(
        c, "sim", now=NOW, limit=LIMIT
    ),
    "fill": _fill,
    "requeue": _requeue,
    "expire": lambda c, _: sweeps.expire(c, now=WINDOW.not_after, limit=LIMIT),
    "rescue": partial(_rescue, resends=3),
    "rescue without a resend": partial(_rescue, resends=0),
    "no receipt": lambda c, _: sweeps.mark_no_receipt(c, now=NOW, limit=LIMIT),
    "claim": _claim,
    **{f"record {name}": run for name, run in OUTCOMES.items()},
    **{f"drop {status.value}": partial(_drop, status=status) for status in DROPPED},
    "hold": _hold,
    "return to ready": lambda c, stored: claims.return_to_ready(c, stored.ids, now=NOW),
    "wait for hours": _wait_for_hours,
    "release messages that wait for hours": _release_from_hours,
    "cancel": lambda c, stored: edits.cancel(c, stored.ids, reason="x", now=NOW),
    "reschedule to later": partial(_reschedule, change=Reschedule(not_before=NOW + SECOND)),
    "reschedule to now": partial(_reschedule, change=Reschedule(not_before=NOW)),
    "reschedule the end": partial(_reschedule, change=Reschedule(not_after=NOW + 2 * HOUR)),
    "reschedule unlocked": _reschedule_unlocked,
    "change the text": _change_text,
    "pause a campaign": lambda c, stored: pauses.begin(c, stored.campaign_id, now=NOW),
    "shift a run": lambda c, stored: run_messages.shift_windows(
        c, stored.run_id, after=0, by=2 * HOUR, now=NOW, limit=LIMIT
    ),
    **{f"receipt {s.value}": partial(_apply_step, status=s) for s in (Status.SENT, *REPORTED)},
    **{f"receipt at once {s.value}": partial(_store_receipt, status=s) for s in REPORTED},
}
