"""Reads the evidence: the journal, the database, and the sandboxes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy.engine import make_url

from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from faults.auditor.evidence import (
    CampaignRun,
    Evidence,
    LedgerRow,
    ProviderCopy,
    ReceivedCallback,
    StoredEvent,
    StoredMessage,
    StrikeTime,
    Wish,
    WrittenMessage,
)
from faults.journal import Entry
from faults.rig import Rig

_MESSAGES = """
SELECT id, public_id, number, text, status, not_after, doubts, charged, batch_id, reason, place FROM messages
"""
_EVENTS = "SELECT message_id, seq, at, status, reason FROM message_events ORDER BY message_id, seq"
_REFERENCES = "SELECT message_id, ref FROM provider_references"
_RUNS = """
SELECT r.id, r.state, r.total, r.messages, r.left_out, r.charged, count(m.id) AS rows,
       coalesce(sum(m.charged), 0) AS rows_charged
FROM runs r LEFT JOIN messages m ON m.flow = r.id GROUP BY r.id
"""


def connect(rig: Rig) -> "psycopg.Connection[Any]":
    """Return a connection straight to the server, past the proxy."""
    url = make_url(rig.postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True, row_factory=namedtuple_row, connect_timeout=5)


async def collect(rig: Rig, journal: Iterable[Entry]) -> Evidence:
    """Return the evidence of a run that has settled."""
    copies = [c for name, client in rig.sandboxes.items() for c in await _copies(name, client)]
    entries = list(journal)
    with connect(rig) as connection:
        return Evidence(
            written=read_written(entries),
            stored=_stored(connection),
            copies=copies,
            callbacks=[
                ReceivedCallback(e["path"], e["number"], e["event"])
                for e in entries
                if e["kind"] == "callback"
            ],
            ledger=[
                LedgerRow(r.kind, r.amount, r.batch_id, r.message_id)
                for r in connection.execute("SELECT kind, amount, batch_id, message_id FROM ledger")
            ],
            balance=sum(r.balance for r in connection.execute("SELECT balance FROM accounts")),
            runs=[CampaignRun(*row) for row in connection.execute(_RUNS)],
            strikes=[
                StrikeTime(e["name"], e["start"], e["end"], e["delays_provider"], e["heals_in_place"])
                for e in entries
                if e["kind"] == "struck"
            ],
            refusals=[
                f"{e['status']} {e['body']} ({e['stream']})" for e in entries if e["kind"] == "refused"
            ],
        )


def read_written(entries: Iterable[Entry]) -> Sequence[WrittenMessage]:
    """Return what the clients wrote, by the entries of a journal in their order."""
    submits: dict[str, Entry] = {}
    wishes: defaultdict[str, list[Wish]] = defaultdict(list)
    accepted: set[str] = set()
    answers = {e["edit"]: e for e in entries if e["kind"] == "edited"}
    for entry in entries:
        match entry["kind"]:
            case "submit":
                for number in entry["numbers"]:
                    submits[number] = entry
                    wishes[number].append(_wish(entry, entry["texts"][number], None))
            case "accepted":
                accepted.update(entry["numbers"])
            case "edit":
                answer = answers.get(entry["edit"])
                if answer is None or answer["changed"]:
                    wishes[entry["number"]].append(_wish(entry, entry["text"], answer))
    return [
        WrittenMessage(
            number=number,
            stream=entry["stream"],
            tier=Tier(entry["tier"]),
            wishes=wishes[number],
            is_accepted=number in accepted,
            callback=entry.get("callback") or "",
            events={Status(int(code)): word for code, word in (entry.get("events") or {}).items()},
        )
        for number, entry in submits.items()
    ]


def _wish(entry: Entry, text: str | None, answer: Entry | None) -> Wish:
    return Wish(
        asked_at=entry["at"],
        answered_at=None if answer is None else answer["at"],
        text=text,
        not_before=entry.get("not_before") or 0.0,
        not_after=entry.get("not_after") or float("inf"),
    )


def _stored(connection: "psycopg.Connection[Any]") -> Sequence[StoredMessage]:
    events: defaultdict[int, list[StoredEvent]] = defaultdict(list)
    for row in connection.execute(_EVENTS):
        events[row.message_id].append(
            StoredEvent(row.seq, row.at.timestamp(), Status(row.status), row.reason)
        )
    references: defaultdict[int, list[str]] = defaultdict(list)
    for row in connection.execute(_REFERENCES):
        references[row.message_id].append(row.ref)
    return [
        StoredMessage(
            id=row.id,
            public_id=str(row.public_id),
            number=row.number,
            text=row.text,
            status=Status(row.status),
            not_after=row.not_after.timestamp(),
            doubts=row.doubts,
            charged=row.charged,
            batch_id=row.batch_id,
            events=events[row.id],
            reason=row.reason,
            place=row.place,
            references=references[row.id],
        )
        for row in connection.execute(_MESSAGES)
    ]


async def _copies(name: str, client: httpx.AsyncClient) -> list[ProviderCopy]:
    rows: list[Mapping[str, Any]] = []
    while page := (await client.get("/messages", params={"offset": len(rows), "limit": 5000})).json():
        rows += page
    return [
        ProviderCopy(
            provider=name,
            number=row["to"],
            text=row["text"],
            received_at=row["received_at"],
            accepted=row["accepted"],
            word=row["status"],
            part=None if row["part"] is None else row["part"]["number"],
            references=row["ids"],
        )
        for row in rows
    ]
