"""Accounts, and their credentials, senders, templates, opt-outs and credits."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from dispatcher.domain.tier import Tier
from dispatcher.store.tables.base import check_one_of, id_column, metadata, now_column, time_column

# 244 random bits, in the form of secrets in Standard Webhooks.
_NEW_SECRET = "'whsec_' || encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64')"  # noqa: S105

accounts = Table(
    "accounts",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("balance", BigInteger, nullable=False, server_default="0"),
    Column("default_country", Text),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    Column("critical_validity", Interval),
    Column("standard_validity", Interval),
    Column("bulk_validity", Interval),
    Column("rate_limit", Integer),
    Column("daily_cap", Integer),
    Column("allowed_countries", ARRAY(Text)),
    Column("tier_cap", Text),
    time_column("paused_at", nullable=True),
    Column("callback_secret", Text, nullable=False, server_default=text(_NEW_SECRET)),
    Column("previous_callback_secret", Text),
    time_column("previous_secret_until", nullable=True),
    Column("counted_on", Date),
    Column("counted", Integer, nullable=False, server_default="0"),
    now_column("created_at"),
    CheckConstraint(
        "(previous_callback_secret IS NULL) = (previous_secret_until IS NULL)", "previous_callback_secret"
    ),
    CheckConstraint("name <> ''", "name"),
    CheckConstraint("balance >= 0", "balance"),
    CheckConstraint("rate_limit > 0", "rate_limit"),
    CheckConstraint("daily_cap >= 0", "daily_cap"),
    CheckConstraint(check_one_of("tier_cap", Tier), "tier_cap"),
    CheckConstraint("default_country ~ '^[A-Z]{2}$'", "default_country"),
)

# Operators' credentials have no account. Generated secrets are stored as digests, passwords as argon2.
credentials = Table(
    "credentials",
    metadata,
    id_column(),
    Column("account_id", ForeignKey("accounts.id"), index=True),
    Column("kind", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("name", Text),
    Column("digest", LargeBinary, unique=True),
    Column("password_hash", Text),
    Column("hint", Text, nullable=False),
    Column("is_test", Boolean, nullable=False, server_default=false()),
    now_column("created_at"),
    time_column("expires_at", nullable=True),
    time_column("revoked_at", nullable=True),
    time_column("last_used_at", nullable=True),
    CheckConstraint("octet_length(digest) = 32", "digest"),
    CheckConstraint("(digest IS NULL) <> (password_hash IS NULL)", "one_secret"),
    CheckConstraint("account_id IS NOT NULL OR dialect = 'manage'", "owner"),
    Index(
        "uq_credentials_name",
        "dialect",
        "kind",
        "name",
        unique=True,
        postgresql_where=text("name IS NOT NULL AND revoked_at IS NULL"),
    ),
)

# Signed tokens. A token that was revoked or refreshed is refused as long as its row exists.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("family", Uuid, nullable=False, index=True),
    Column("issued_by", Uuid, index=True),  # the family of the token that it was issued with
    Column("credential_id", ForeignKey("credentials.id"), nullable=False, index=True),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("refresh_digest", LargeBinary, unique=True),
    time_column("created_at"),
    time_column("expires_at"),
    time_column("refresh_until", nullable=True),
    time_column("refreshed_at", nullable=True),
    time_column("revoked_at", nullable=True),
    time_column("kept_until"),
    Index("ix_tokens_kept_until", "kept_until"),
)

senders = Table(
    "senders",
    metadata,
    id_column(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("is_default", Boolean, nullable=False, server_default=false()),
    time_column("disabled_at", nullable=True),
    now_column("created_at"),
    UniqueConstraint("account_id", "name"),
    CheckConstraint("name <> ''", "name"),
    Index("ix_senders_name", "name"),
    Index("uq_senders_default", "account_id", unique=True, postgresql_where=text("is_default")),
)

templates = Table(
    "templates",
    metadata,
    id_column(),
    Column("public_id", Text, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    now_column("created_at"),
    now_column("updated_at"),
    time_column("removed_at", nullable=True),
    CheckConstraint("name <> ''", "name"),
    Index(
        "uq_templates_name", "account_id", "name", unique=True, postgresql_where=text("removed_at IS NULL")
    ),
)

# Without a sender, a number has opted out of all messages of the account.
opt_outs = Table(
    "opt_outs",
    metadata,
    id_column(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("number", Text, nullable=False),
    Column("sender_id", ForeignKey("senders.id")),
    Column("reason", Text, nullable=False, server_default=""),
    now_column("at"),
    UniqueConstraint("account_id", "number", "sender_id", postgresql_nulls_not_distinct=True),
)

ledger = Table(
    "ledger",
    metadata,
    id_column(),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("batch_id", ForeignKey("batches.id")),
    Column("message_id", ForeignKey("messages.id")),
    Column("note", Text, nullable=False, server_default=""),
    now_column("at"),
    CheckConstraint("kind IN ('topup', 'charge', 'adjust', 'refund')", "kind"),
    CheckConstraint(
        "CASE kind WHEN 'charge' THEN amount < 0 WHEN 'adjust' THEN amount <> 0 ELSE amount > 0 END", "sign"
    ),
    CheckConstraint("(kind IN ('charge', 'adjust')) = (batch_id IS NOT NULL)", "batch"),
    CheckConstraint("(kind = 'refund') = (message_id IS NOT NULL)", "message"),
    Index("uq_ledger_refund", "message_id", unique=True, postgresql_where=text("kind = 'refund'")),
)

# What a batch in an application's transaction takes from its account. When that transaction is over, the
# batch is there, or what it took is given back. No foreign key: nobody else sees the batch before.
reservations = Table(
    "reservations",
    metadata,
    Column("batch_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("messages", Integer, nullable=False),  # that are counted against the daily cap, on `counted_on`
    Column("counted_on", Date),
    Column("transaction_id", Text, nullable=False),  # an xid8
    now_column("created_at"),
    CheckConstraint("amount >= 0 AND messages >= 0", "amount"),
)

# The allowed hours of an account for a tier, in the form of `AllowedHours.as_dict`.
account_hours = Table(
    "account_hours",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    Column("tier", Text, primary_key=True),
    Column("hours", JSONB, nullable=False),
    CheckConstraint(check_one_of("tier", Tier), "tier"),
)
