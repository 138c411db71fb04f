"""Accepted batches, their messages with their events, and the answers by idempotency key."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import BIT, JSONB

from dispatcher.domain.messages.status import OPEN, Place
from dispatcher.domain.messages.waits import WaitKind
from dispatcher.domain.tier import Tier
from dispatcher.store.status_literals import SCHEDULED, SENT, code_list
from dispatcher.store.tables.base import STATUSES, check_one_of, id_column, metadata, time_column

batches = Table(
    "batches",
    metadata,
    id_column(),
    Column("public_id", Uuid, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("dialect", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("sender_id", ForeignKey("senders.id")),
    time_column("not_before"),
    time_column("not_after"),
    time_column("created_at"),
    Column("external_id", Text),
    Column("client_id", Text, nullable=False, server_default=""),
    Column("callback_url", Text),
    Column("template_id", ForeignKey("templates.id")),
    Column("run_id", ForeignKey("runs.id"), unique=True),
    Column("paused", Boolean, nullable=False, server_default=false()),
    CheckConstraint(check_one_of("tier", Tier), "tier"),
    CheckConstraint("not_before < not_after", "window"),
    Index(
        "uq_batches_external_id",
        "account_id",
        "dialect",
        "external_id",
        unique=True,
        postgresql_where=text("external_id IS NOT NULL"),
    ),
    Index("ix_batches_account_id_created_at", "account_id", "created_at"),
)

# No transition is a HOT update (place and wake_at are indexed), so each one writes every index. Therefore
# there are only the primary key and the clock's indexes, pages keep free space, and vacuum runs early.
# Account and sender are those of the batch, which has the foreign keys: checking both for each message would
# be a fifth of the cost of inserting.
messages = Table(
    "messages",
    metadata,
    id_column(),
    Column("public_id", Uuid, nullable=False),
    Column("batch_id", ForeignKey("batches.id"), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("sender_id", BigInteger),
    Column("tier", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("number_as_given", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("segments", SmallInteger, nullable=False),
    Column("charged", Integer, nullable=False, server_default="0"),
    time_column("not_before"),
    time_column("not_after"),
    Column("status", SmallInteger, nullable=False),
    Column("place", Text),
    time_column("wake_at", nullable=True),
    Column("seq", Integer, nullable=False, server_default="1"),
    Column("attempt", SmallInteger, nullable=False, server_default="0"),
    Column("deferrals", SmallInteger, nullable=False, server_default="0"),
    Column("doubts", SmallInteger, nullable=False, server_default="0"),
    Column("provider", Text),
    # A bit for each part of a long text, 1 if the provider took it; null if it took all in one attempt.
    Column("parts_taken", BIT(varying=True)),
    Column("reason", Text, nullable=False, server_default=""),
    Column("is_test", Boolean, nullable=False, server_default=false()),
    Column("calls_back", Boolean, nullable=False, server_default=false()),
    Column("traceparent", Text),
    # The id of a campaign's run, or 0. The flows of an account take turns.
    Column("flow", BigInteger, nullable=False, server_default="0"),
    # When the allowed hours end that the message waits for, or was accepted in; null without hours, and once
    # it waits for something else.
    time_column("closes_at", nullable=True),
    # What it waits for now and since when, with a detail that depends on the kind, and the waits that are
    # over (`domain/messages/waits.py`). A held message without a kind waits for its own time.
    Column("wait_kind", Text),
    Column("waits_for", Text),
    time_column("wait_since", nullable=True),
    Column("waits", JSONB),
    time_column("created_at"),
    time_column("moved_at"),
    CheckConstraint(f"status IN ({STATUSES})", "status"),
    CheckConstraint(check_one_of("tier", Tier), "tier"),
    CheckConstraint(check_one_of("place", Place), "place"),
    CheckConstraint(f"(place IS NOT NULL) = (status IN ({code_list(OPEN)}))", "place_while_open"),
    CheckConstraint(f"status <> {SCHEDULED} OR place = 'held'", "scheduled_is_held"),
    CheckConstraint("(wake_at IS NOT NULL) OR place IS NULL OR place = 'ready'", "wake_at"),
    CheckConstraint("wake_at IS NULL OR place <> 'held' OR wake_at <= not_after", "held_inside_window"),
    CheckConstraint("not_before < not_after", "window"),
    Index("ix_messages_release", "tier", "wake_at", postgresql_where=text("place = 'held'")),
    Index(
        "ix_messages_turns", "account_id", "flow", "tier", "wake_at", postgresql_where=text("place = 'held'")
    ),
    Index("ix_messages_fill", "tier", "account_id", "flow", "id", postgresql_where=text("place = 'ready'")),
    Index("ix_messages_flow", "flow", "id", postgresql_where=text("flow <> 0 AND place IS NOT NULL")),
    Index("ix_messages_lane", "tier", "wake_at", postgresql_where=text("place = 'lane'")),
    Index("ix_messages_rescue", "wake_at", postgresql_where=text("place = 'worker'")),
    Index("ix_messages_expire", "not_after", postgresql_where=text("place IN ('held', 'ready', 'lane')")),
    Index(
        "ix_messages_no_receipt",
        "wake_at",
        postgresql_where=text(f"status = {SENT} AND wake_at IS NOT NULL"),
    ),
    Index(
        "ix_messages_provider_wait",
        "id",
        postgresql_where=text(f"place = 'held' AND wait_kind = '{WaitKind.PROVIDER}'"),
    ),
    postgresql_with={
        "fillfactor": 70,
        "autovacuum_vacuum_scale_factor": 0.02,
        "autovacuum_vacuum_insert_scale_factor": 0.05,
        "autovacuum_analyze_scale_factor": 0.02,
        "autovacuum_vacuum_cost_delay": 0,
    },
)

# The columns by which messages are found. They never change, so that no transition writes these indexes.
# Neither this table nor the events have foreign keys: the statement that writes a row writes its message.
message_lookup = Table(
    "message_lookup",
    metadata,
    Column("public_id", Uuid, primary_key=True),
    Column("message_id", BigInteger, nullable=False),
    Column("batch_id", BigInteger, nullable=False),
    Column("number", Text, nullable=False),
    time_column("created_at"),
    Index("ix_message_lookup_batch_id", "batch_id", "message_id"),
    Index("ix_message_lookup_number", "number", "created_at", "message_id"),
)

message_events = Table(
    "message_events",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    time_column("at"),
    Column("status", SmallInteger, nullable=False),
    Column("provider", Text),
    Column("attempt", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint(f"status IN ({STATUSES})", "status"),
)

# The answers to requests that create messages, returned again to a request with the same key.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    Column("dialect", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    time_column("created_at"),
    Index("ix_idempotency_keys_created_at", "created_at"),
)
