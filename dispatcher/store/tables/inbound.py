"""Messages from handsets, and the parts of those that come in parts."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
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
    text,
)

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
    # How many parts it has, and the numbers of those that did not come in time.
    Column("parts", SmallInteger, nullable=False, server_default="1"),
    Column("missing_parts", ARRAY(SmallInteger), nullable=False, server_default=text("'{}'")),
    # 1, and one more for each time that a late part changed it.
    Column("seq", Integer, nullable=False, server_default="1"),
    time_column("updated_at", nullable=True),
    CheckConstraint(check_one_of("action", KeywordAction), "action"),
    CheckConstraint("(sender_id IS NULL) = (account_id IS NULL)", "owner"),
    Index("uq_inbound_ref", "provider", "ref", unique=True, postgresql_where=text("ref IS NOT NULL")),
    Index("ix_inbound_account_id_id", "account_id", "id"),
    Index("ix_inbound_account_id_received_at", "account_id", "received_at"),
    Index("ix_inbound_number_id", "number", "id"),
)

# A message whose parts are joined: they wait for each other until `wake_at`, then it is stored in `inbound`.
inbound_joins = Table(
    "inbound_joins",
    metadata,
    id_column(),
    Column("provider", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("total", SmallInteger, nullable=False),
    time_column("started_at"),
    time_column("wake_at", nullable=True),
    Column("inbound_id", ForeignKey("inbound.id"), index=True),
    CheckConstraint("(wake_at IS NULL) = (inbound_id IS NOT NULL)", "wake_at"),
    Index("ix_inbound_joins_key", "provider", "number", "recipient", "reference", "total"),
    Index("ix_inbound_joins_wake_at", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
    Index("ix_inbound_joins_started_at", "started_at"),
)

inbound_parts = Table(
    "inbound_parts",
    metadata,
    Column(
        "join_id",
        BigInteger,
        ForeignKey("inbound_joins.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("part", SmallInteger, primary_key=True, autoincrement=False),
    Column("octets", LargeBinary, nullable=False),
    Column("alphabet", Text, nullable=False),
    Column("ref", Text),
    time_column("sent_at", nullable=True),
    time_column("received_at"),
)
