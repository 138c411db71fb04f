"""The tables, as SQLAlchemy Core. The migrations make exactly these; a test compares them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
)

from dispatcher.domain.status import Place, Status
from dispatcher.domain.tier import Tier

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _at(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def _one_of(column: str, values: type[Tier] | type[Place]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


_STATUSES = ", ".join(str(status.value) for status in Status)

accounts = Table(
    "accounts",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("balance", BigInteger, nullable=False, server_default="0"),
    Column("default_country", Text),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    Column("critical_validity", Interval),
    Column("standard_validity", Interval),
    Column("bulk_validity", Interval),
    _now("created_at"),
    CheckConstraint("name <> ''", "name"),
    CheckConstraint("balance >= 0", "balance"),
    CheckConstraint("default_country ~ '^[A-Z]{2}$'", "default_country"),
)

credentials = Table(
    "credentials",
    metadata,
    _id(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    _now("created_at"),
    _at("expires_at", nullable=True),
    _at("revoked_at", nullable=True),
    _at("last_used_at", nullable=True),
    CheckConstraint("octet_length(digest) = 32", "digest"),
)

senders = Table(
    "senders",
    metadata,
    _id(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("is_default", Boolean, nullable=False, server_default=false()),
    _at("disabled_at", nullable=True),
    _now("created_at"),
    UniqueConstraint("account_id", "name"),
    CheckConstraint("name <> ''", "name"),
    Index("uq_senders_default", "account_id", unique=True, postgresql_where=text("is_default")),
)

batches = Table(
    "batches",
    metadata,
    _id(),
    Column("public_id", Uuid, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("dialect", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("sender_id", ForeignKey("senders.id")),
    _at("not_before"),
    _at("not_after"),
    _at("created_at"),
    CheckConstraint(_one_of("tier", Tier), "tier"),
    CheckConstraint("not_before < not_after", "window"),
    Index("ix_batches_account_id_created_at", "account_id", "created_at"),
)

# No move of a message is HOT (place and wake_at are indexed), so pages keep room and vacuum comes early.
messages = Table(
    "messages",
    metadata,
    _id(),
    Column("public_id", Uuid, nullable=False, unique=True),
    Column("batch_id", ForeignKey("batches.id"), nullable=False, index=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("sender_id", ForeignKey("senders.id")),
    Column("tier", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("number_as_given", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("segments", SmallInteger, nullable=False),
    Column("charged", Integer, nullable=False, server_default="0"),
    _at("not_before"),
    _at("not_after"),
    Column("status", SmallInteger, nullable=False),
    Column("place", Text),
    _at("wake_at", nullable=True),
    Column("seq", Integer, nullable=False, server_default="1"),
    Column("attempt", SmallInteger, nullable=False, server_default="0"),
    Column("deferrals", SmallInteger, nullable=False, server_default="0"),
    Column("doubts", SmallInteger, nullable=False, server_default="0"),
    Column("provider", Text),
    Column("reason", Text, nullable=False, server_default=""),
    _at("created_at"),
    _at("moved_at"),
    CheckConstraint(f"status IN ({_STATUSES})", "status"),
    CheckConstraint(_one_of("tier", Tier), "tier"),
    CheckConstraint(_one_of("place", Place), "place"),
    CheckConstraint("(place IS NOT NULL) = (status IN (10, 11))", "place_while_open"),
    CheckConstraint("status <> 10 OR place = 'held'", "scheduled_is_held"),
    CheckConstraint("(wake_at IS NOT NULL) OR place IS NULL OR place = 'ready'", "wake_at"),
    CheckConstraint("wake_at IS NULL OR place <> 'held' OR wake_at <= not_after", "held_inside_window"),
    CheckConstraint("not_before < not_after", "window"),
    Index("ix_messages_release", "wake_at", postgresql_where=text("place = 'held'")),
    Index("ix_messages_fill", "tier", "account_id", "id", postgresql_where=text("place = 'ready'")),
    Index("ix_messages_lane", "tier", "wake_at", postgresql_where=text("place = 'lane'")),
    Index("ix_messages_rescue", "wake_at", postgresql_where=text("place = 'worker'")),
    Index("ix_messages_expire", "not_after", postgresql_where=text("place IN ('held', 'ready', 'lane')")),
    Index("ix_messages_no_receipt", "wake_at", postgresql_where=text("status = 12 AND wake_at IS NOT NULL")),
    postgresql_with={
        "fillfactor": 70,
        "autovacuum_vacuum_scale_factor": 0.02,
        "autovacuum_vacuum_insert_scale_factor": 0.05,
        "autovacuum_analyze_scale_factor": 0.02,
        "autovacuum_vacuum_cost_delay": 0,
    },
)

message_events = Table(
    "message_events",
    metadata,
    Column("message_id", ForeignKey("messages.id"), primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _at("at"),
    Column("status", SmallInteger, nullable=False),
    Column("provider", Text),
    Column("attempt", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint(f"status IN ({_STATUSES})", "status"),
)

ledger = Table(
    "ledger",
    metadata,
    _id(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("batch_id", ForeignKey("batches.id")),
    Column("message_id", ForeignKey("messages.id")),
    Column("note", Text, nullable=False, server_default=""),
    _now("at"),
    CheckConstraint("kind IN ('topup', 'charge', 'refund')", "kind"),
    CheckConstraint("(kind = 'charge') = (amount < 0)", "sign"),
    CheckConstraint("(kind = 'charge') = (batch_id IS NOT NULL)", "batch"),
    CheckConstraint("(kind = 'refund') = (message_id IS NOT NULL)", "message"),
    Index("uq_ledger_refund", "message_id", unique=True, postgresql_where=text("kind = 'refund'")),
)

submissions = Table(
    "submissions",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("ref", Text, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False, index=True),
    Column("attempt", SmallInteger, nullable=False),
    Column("part", SmallInteger, nullable=False),
    Column("status", SmallInteger),
    _at("at"),
    CheckConstraint(f"status IN ({_STATUSES})", "status"),
)

receipts = Table(
    "receipts",
    metadata,
    _id(),
    Column("provider", Text, nullable=False),
    Column("ref", Text),
    Column("reference", Uuid),
    Column("status", SmallInteger),
    Column("reason", Text, nullable=False, server_default=""),
    _at("received_at"),
    _at("wake_at", nullable=True),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("message_id", ForeignKey("messages.id"), index=True),
    Column("verdict", Text, nullable=False, server_default="new"),
    CheckConstraint(f"status IN ({_STATUSES})", "status"),
    CheckConstraint("ref IS NOT NULL OR reference IS NOT NULL", "names_a_message"),
    CheckConstraint("verdict IN ('new', 'moved', 'noted', 'unknown')", "verdict"),
    CheckConstraint("(wake_at IS NOT NULL) = (verdict = 'new')", "wake_at"),
    Index("ix_receipts_match", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
)
