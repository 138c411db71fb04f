"""Callbacks: the webhooks of producers, and one row for each event and URL."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
)

from dispatcher.domain.callbacks.events import CallbackState
from dispatcher.store.tables.base import check_one_of, id_column, metadata, now_column, time_column

webhooks = Table(
    "webhooks",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    Column("dialect", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("statuses", ARRAY(SmallInteger), nullable=False),
    Column("inbound", Boolean, nullable=False, server_default=false()),
    now_column("created_at"),
    time_column("failing_since", nullable=True),
    time_column("disabled_at", nullable=True),
    Column("disabled_reason", Text),
    CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", "disabled"),
)

# The outbox: rows are written by the statement that changes a message or stores an inbound one, and sent by
# `service.callbacks`.
callbacks = Table(
    "callbacks",
    metadata,
    id_column(),
    Column("public_id", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("message_id", ForeignKey("messages.id")),
    Column("inbound_id", ForeignKey("inbound.id")),
    Column("seq", Integer, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("webhook_id", Text),
    Column("event", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default=CallbackState.WAITING.value),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("answer", Text, nullable=False, server_default=""),
    time_column("created_at"),
    time_column("replayed_at", nullable=True),
    time_column("wake_at", nullable=True),
    time_column("ended_at", nullable=True),
    UniqueConstraint(
        "message_id", "inbound_id", "seq", "url", "webhook_id", postgresql_nulls_not_distinct=True
    ),
    CheckConstraint("(message_id IS NULL) <> (inbound_id IS NULL)", "subject"),
    CheckConstraint(check_one_of("state", CallbackState), "state"),
    CheckConstraint("(wake_at IS NOT NULL) = (state = 'waiting')", "wake_at"),
    Index("ix_callbacks_turn", "account_id", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
    Index("ix_callbacks_account_id_id", "account_id", "id"),
)
