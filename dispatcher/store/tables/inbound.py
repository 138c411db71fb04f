"""Messages from handsets."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, Uuid, text

from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.store.tables.base import check_one_of, id_column, metadata, time_column

# Without an account, the recipient is not a known sender, or several accounts share it.
inbound = Table(
    "inbound",
    metadata,
    id_column(),
    Column("public_id", Uuid, nullable=False, unique=True),
    Column("provider", Text, nullable=False),
    Column("ref", Text),
    Column("account_id", ForeignKey("accounts.id")),
    Column("sender_id", ForeignKey("senders.id")),
    Column("number", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("action", Text),
    time_column("sent_at", nullable=True),
    time_column("received_at"),
    CheckConstraint(check_one_of("action", KeywordAction), "action"),
    CheckConstraint("(sender_id IS NULL) = (account_id IS NULL)", "owner"),
    Index("uq_inbound_ref", "provider", "ref", unique=True, postgresql_where=text("ref IS NOT NULL")),
    Index("ix_inbound_account_id_id", "account_id", "id"),
    Index("ix_inbound_account_id_received_at", "account_id", "received_at"),
    Index("ix_inbound_number_id", "number", "id"),
)
