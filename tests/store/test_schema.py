"""The tables are equal to the migrations, and statements use the indexes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.sql.elements import TextClause

from dispatcher.domain.tier import Tier
from dispatcher.store.accounts import hours
from dispatcher.store.campaigns import audiences, campaigns, recipients, run_messages, runs
from dispatcher.store.clock import release, sweeps
from dispatcher.store.delivery import claims, outcomes
from dispatcher.store.messages import edits, search, views
from dispatcher.store.migrate import newest_revision, upgrade
from dispatcher.store.receipts import ingest, listing, matching, polling
from dispatcher.store.submissions import quotas
from dispatcher.store.tables import messages, metadata
from tests.conftest import plain_url

_ROWS = """
WITH a AS (INSERT INTO accounts (name) VALUES ('x') RETURNING id),
b AS (
    INSERT INTO batches (public_id, account_id, dialect, tier, not_before, not_after, created_at)
    SELECT gen_random_uuid(), id, 'test', 'bulk', now(), now() + '1 day', now() FROM a
    RETURNING id, account_id
)
INSERT INTO messages (public_id, batch_id, account_id, tier, number, number_as_given, country, text, segments,
                      not_before, not_after, status, place, wake_at, created_at, moved_at)
SELECT gen_random_uuid(), b.id, b.account_id, (ARRAY['critical', 'standard', 'bulk'])[1 + n / 100 % 3],
       '+254700000000', '', 'KE', 'x', 1, now(),
       now() + '1 day', s.status, s.place, s.wake_at, now(), now()
FROM b, generate_series(1, 60000) AS n,
LATERAL (
    SELECT CASE WHEN n % 100 < 62 THEN 11 WHEN n % 100 = 62 THEN 12 ELSE 13 END AS status,
           CASE WHEN n % 100 < 30 THEN 'held' WHEN n % 100 < 60 THEN 'ready'
                WHEN n % 100 = 60 THEN 'lane' WHEN n % 100 = 61 THEN 'worker' END AS place,
           CASE WHEN n % 100 < 30 OR n % 100 IN (60, 61, 62)
                THEN now() + n * interval '1 second' END AS wake_at
) AS s
"""


@contextmanager
def opened(database_url: str) -> Iterator[Connection]:
    """Yield a connection that is closed in any case: a later test would be blamed for it."""
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def test_the_migrations_create_exactly_the_tables(database_url: str) -> None:
    with opened(database_url) as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
        checks = set(
            connection.scalars(
                text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0")
            )
        )
        options = connection.scalar(text("SELECT reloptions FROM pg_class WHERE relname = 'messages'"))
    assert differences == []
    named = {str(c.name) for table in metadata.tables.values() for c in table.constraints if _is_check(c)}
    assert {name for name in checks if name.startswith("ck_")} == named
    wanted = messages.dialect_options["postgresql"]["with"]
    assert set(options) == {f"{name}={value}" for name, value in wanted.items()}


def _is_check(constraint: object) -> bool:
    return type(constraint).__name__ == "CheckConstraint"


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    with psycopg.connect(plain_url(database_url)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (newest_revision(),)
        ]


INDEXES = [
    (release._RELEASE, "ix_messages_release"),
    (release._FLOWS, "ix_messages_turns"),
    (release._RELEASE_IN_TURN, "ix_messages_turns"),
    (release._NEXT_WAKE, "ix_messages_release"),
    (release._MAKE_DUE, "ix_messages_provider_wait"),
    (hours._MAKE_DUE, "ix_messages_turns"),
    (sweeps._FLOWS, "ix_messages_fill"),
    (sweeps._FILL, "ix_messages_fill"),
    (sweeps._DEPTH, "ix_messages_lane"),
    (sweeps._REQUEUE, "ix_messages_lane"),
    (sweeps._EXPIRE, "ix_messages_expire"),
    (sweeps._OVERDUE, "ix_messages_rescue"),
    (sweeps._NO_RECEIPT, "ix_messages_no_receipt"),
    (run_messages._OPEN, "ix_messages_flow"),
    (run_messages._DUE, "ix_messages_turns"),
    (run_messages._DUE, "ix_messages_fill"),
    (run_messages._SHIFT, "ix_messages_flow"),
    (run_messages._LOCK_WITHDRAWABLE, "ix_messages_flow"),
    (runs._FINISH, "ix_messages_flow"),
    (runs._CANCELLED, "ix_messages_flow"),
    (runs._LIST_OPEN, "ix_runs_open"),
    (campaigns._NEXT, "ix_campaigns_next_due"),
    (recipients._RECIPIENTS, "ix_recipients_zone"),
    (polling._TAKE, "ix_provider_references_poll"),
    (matching._PICK, "ix_receipts_match"),
    (listing._PAGE, "ix_receipts_unmatched"),
    (listing._COUNT, "ix_receipts_unmatched"),
    (listing._REMARKED, "ix_receipts_remarked"),
    (listing._COUNT_REMARKED, "ix_receipts_remarked"),
]


def test_each_statement_of_the_clock_uses_its_own_index(database_url: str) -> None:
    parameters = {
        "now": datetime.now(UTC),
        "limit": 1000,
        "tier": Tier.STANDARD.value,
        "accounts": [1],
        "flows": [0],
        "flow": 0,
        "from_wake": datetime.min.replace(tzinfo=UTC),
        "shares": [100],
        "requeue": "30 seconds",
        "tiers": ["standard"],
        "requeues": ["30 seconds"],
        "depths": [500],
        "until": datetime.now(UTC),
        "id": 1,
        "ids": [1],
        "run_id": 1,
        "account_id": 1,
        "after": 0,
        "by": "1 hour",
        "most": 100,
        "audience_id": 1,
        "zones": [0],
        "afters": [0],
        "limits": [100],
        "provider": "sim",
        "patience": "3 days",
        "first": "30 seconds",
        "longest": "1 hour",
        "verdict": "unknown",
        "before": 1_000_000,
        "since": datetime.now(UTC),
    }
    with opened(database_url) as connection:
        connection.execute(text(_ROWS))
        connection.execute(text("ANALYZE messages"))
        connection.execute(text("SET enable_seqscan = off"))  # as in each session of ours
        for statement, index in INDEXES:
            plan = "\n".join(connection.scalars(text(f"EXPLAIN {statement}"), parameters))
            assert index in plan, plan
            assert "Seq Scan on messages" not in plan


BY_ID = (
    claims._READ, claims._CLAIM, claims._DROP, claims._HOLD, claims._RETURN_TO_READY,
    outcomes._RECORD, outcomes._RECORD_LATE, edits._CANCEL, edits._RESCHEDULE, edits._CHANGE_TEXT,
    matching._STEP, ingest._STORE, polling._TAKE,
)  # fmt: skip


def test_rows_are_found_by_their_ids_whatever_the_statistics(database_url: str) -> None:
    """The plan of a prepared statement is for any ids, with statistics from a time without rows."""
    with _late_rows(database_url) as connection:
        for statement in BY_ID:
            plan = _generic_plan(connection, statement)
            assert set(re.findall(r"using (\w+) on messages", plan)) == {"pk_messages"}, plan
            # A join of two lists without an index would compare each pair.
            assert not re.search(r"Join Filter: .*\bm(_\d+)?\.id\b", plan), plan


_NAMED = {"pk_messages", "pk_message_lookup", "ix_provider_references_ref"}
BY_NAME = (
    (ingest._FIND, {*_NAMED, "pk_provider_references"}),
    (matching._LOCK, _NAMED),
    (matching._PARTS, {"pk_provider_references"}),
    (matching._SET_PART_STATUSES, {"pk_provider_references"}),
    (matching._SETTLE, {"pk_receipts"}),
)


def test_a_receipt_finds_its_message_by_references_whatever_the_statistics(database_url: str) -> None:
    with _late_rows(database_url) as connection:
        for statement, indexes in BY_NAME:
            plan = _generic_plan(connection, statement)
            looked = re.findall(r"Index (?:Only )?Scan using (\w+)|Bitmap Index Scan on (\w+)", plan)
            assert {first or second for first, second in looked} == indexes, plan
            assert len(re.findall(r"Index Cond: ", plan)) == len(looked), plan  # none is read from end to end


LOOKED_UP = (
    (views._MESSAGE, "pk_message_lookup"),
    (views._OWN_MESSAGE, "pk_message_lookup"),
    (search._MESSAGES_OF, "ix_message_lookup_batch_id"),
    (search._FIRST_OF, "ix_message_lookup_batch_id"),
    (run_messages._COUNTS, "ix_message_lookup_batch_id"),
    (views._COUNTS, "ix_message_lookup_batch_id"),
    (views._STATUSES, "ix_message_lookup_batch_id"),
    (quotas._FIND_SAME_TEXT, "ix_message_lookup_number"),
    (quotas._FIND_BUSIEST, "ix_message_lookup_number"),
)


def test_messages_are_found_by_the_lookup_table_whatever_the_statistics(database_url: str) -> None:
    with _late_rows(database_url) as connection:
        for statement, index in LOOKED_UP:
            plan = _generic_plan(connection, statement)
            assert set(re.findall(r"(?:using|Scan on) (\w+_message_lookup\w*)", plan)) == {index}, plan
            assert set(re.findall(r"using (\w+) on messages", plan)) == {"pk_messages"}, plan
            assert not re.search(r"Join Filter: .*\bm(_\d+)?\.id\b", plan), plan
            assert not re.search(r"Join Filter: .*\bm(_\d+)?\.batch_id\b", plan), plan


def test_an_audience_is_removed_by_row_whatever_the_statistics(database_url: str) -> None:
    """By position, each row would be compared with all recipients newer than the statistics."""
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute("ANALYZE recipients, rejects")
        connection.execute("SET enable_seqscan = off")  # as in each session of ours
        for statement in (audiences._DELETE_RECIPIENTS, audiences._DELETE_REJECTS):
            plan = _generic_plan(connection, statement)
            assert "TID Cond" in plan, plan
            assert re.search(r"Index Scan using pk_\w+", plan), plan
            assert "Sort" not in plan, plan


@contextmanager
def _late_rows(database_url: str) -> Iterator["psycopg.Connection[Any]"]:
    """Yield a connection to a database with rows that are newer than the statistics."""
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute("ANALYZE provider_references, receipts, batches, accounts, senders")
        connection.execute(_ROWS)
        connection.execute("UPDATE messages SET place = 'held', status = 10, wake_at = now()")
        connection.execute("ANALYZE messages")
        connection.execute(
            "INSERT INTO provider_references (provider, ref, message_id, attempt, part, at)"
            " SELECT 'sim', id::text, id, 1, 1, now() FROM messages"
        )
        connection.execute("SET enable_seqscan = off")  # as in each session of ours
        yield connection


def _generic_plan(connection: "psycopg.Connection[Any]", statement: TextClause) -> str:
    """Return the plan of a statement for any parameters."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        names.append(found[1]) if found[1] not in names else None
        return f"${names.index(found[1]) + 1}"

    sql = re.sub(r"(?<!:):([a-z_]+)", number, str(statement))
    return "\n".join(row[0] for row in connection.execute(f"EXPLAIN (GENERIC_PLAN) {sql}"))


@pytest.mark.parametrize("change", ["UPDATE message_events SET reason = ''", "UPDATE ledger SET amount = 1"])
def test_history_is_append_only(database_url: str, change: str) -> None:
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute(_ROWS)
        connection.execute(
            "INSERT INTO message_events SELECT id, 1, now(), 11, NULL, 0, 'x' FROM messages LIMIT 1"
        )
        connection.execute(
            "INSERT INTO ledger (account_id, kind, amount) SELECT id, 'topup', 5 FROM accounts"
        )
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute(change)


def test_a_balance_cannot_be_negative(database_url: str) -> None:
    with (
        psycopg.connect(plain_url(database_url), autocommit=True) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match="ck_accounts_balance"),
    ):
        connection.execute("INSERT INTO accounts (name, balance) VALUES ('x', -1)")
