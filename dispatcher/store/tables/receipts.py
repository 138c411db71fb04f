"""Providers' references of our messages, and their receipts."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    Uuid,
    false,
    text,
)

from dispatcher.store.tables.base import STATUSES, id_column, metadata, time_column

provider_references = Table(
    "provider_references",
    metadata,
    Column("provider", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", SmallInteger, primary_key=True, autoincrement=False),
    Column("part", SmallInteger, primary_key=True, autoincrement=False),
    Column("status", SmallInteger),
    time_column("at"),
    # When the provider is polled for the receipt; null if it is not, or no longer.
    time_column("wake_at", nullable=True),
    CheckConstraint(f"status IN ({STATUSES})", "status"),
    # Not unique: providers give a reference to another message after some time.
    Index("ix_provider_references_ref", "provider", text("lower(ref)")),
    Index("ix_provider_references_poll", "provider", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
)

receipts = Table(
    "receipts",
    metadata,
    id_column(),
    Column("provider", Text, nullable=False),
    Column("ref", Text),
    Column("reference", Uuid),
    Column("status", SmallInteger),
    Column("reason", Text, nullable=False, server_default=""),
    Column("opted_out", Boolean, nullable=False, server_default=false()),
    time_column("received_at"),
    time_column("wake_at", nullable=True),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("message_id", ForeignKey("messages.id"), index=True),
    Column("verdict", Text, nullable=False, server_default="new"),
    # What was odd about it, for operators.
    Column("remark", Text, nullable=False, server_default=""),
    CheckConstraint(f"status IN ({STATUSES})", "status"),
    CheckConstraint("ref IS NOT NULL OR reference IS NOT NULL", "names_a_message"),
    CheckConstraint("verdict IN ('new', 'moved', 'noted', 'unknown')", "verdict"),
    CheckConstraint("(wake_at IS NOT NULL) = (verdict = 'new')", "wake_at"),
    Index("ix_receipts_match", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
    Index("ix_receipts_remarked", "id", postgresql_where=text("remark <> ''")),
    Index("ix_receipts_unmatched", "id", postgresql_where=text("verdict IN ('new', 'unknown')")),
)
