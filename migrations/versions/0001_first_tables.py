"""The first tables: accounts and credits, batches and messages with their history, receipts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    "accounts",
    "credentials",
    "senders",
    "batches",
    "messages",
    "ledger",
    "message_events",
    "receipts",
    "submissions",
)

_AT = sa.DateTime(timezone=True)

_APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$
"""


def upgrade() -> None:
    """Make them."""
    _accounts()
    _credentials()
    _senders()
    _batches()
    _messages()
    _message_indexes()
    _ledger()
    _message_events()
    _receipts()
    _submissions()
    op.execute(_APPEND_ONLY)
    for table in ("message_events", "ledger"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Drop them, with all they hold."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change")


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("default_country", sa.Text()),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("critical_validity", sa.Interval()),
        sa.Column("standard_validity", sa.Interval()),
        sa.Column("bulk_validity", sa.Interval()),
        sa.Column("created_at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("default_country ~ '^[A-Z]{2}$'", name=op.f("ck_accounts_default_country")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_accounts_name")),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_accounts_balance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )


def _credentials() -> None:
    op.create_table(
        "credentials",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("created_at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", _AT),
        sa.Column("revoked_at", _AT),
        sa.Column("last_used_at", _AT),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_credentials_digest")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_credentials_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("digest", name=op.f("uq_credentials_digest")),
    )
    op.create_index(op.f("ix_credentials_account_id"), "credentials", ["account_id"], unique=False)


def _senders() -> None:
    op.create_table(
        "senders",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("disabled_at", _AT),
        sa.Column("created_at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_senders_name")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_senders_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_senders")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_senders_account_id_name")),
    )
    op.create_index(
        "uq_senders_default", "senders", ["account_id"], unique=True, postgresql_where=sa.text("is_default")
    )


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("sender_id", sa.BigInteger()),
        sa.Column("not_before", _AT, nullable=False),
        sa.Column("not_after", _AT, nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.CheckConstraint("tier IN ('critical', 'standard', 'bulk')", name=op.f("ck_batches_tier")),
        sa.CheckConstraint("not_before < not_after", name=op.f("ck_batches_window")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_batches_account_id")),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_batches_sender_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("public_id", name=op.f("uq_batches_public_id")),
    )
    op.create_index("ix_batches_account_id_created_at", "batches", ["account_id", "created_at"], unique=False)


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("sender_id", sa.BigInteger()),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("number_as_given", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("segments", sa.SmallInteger(), nullable=False),
        sa.Column("charged", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", _AT, nullable=False),
        sa.Column("not_after", _AT, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("place", sa.Text()),
        sa.Column("wake_at", _AT),
        sa.Column("seq", sa.Integer(), server_default="1", nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("deferrals", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("doubts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("provider", sa.Text()),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("moved_at", _AT, nullable=False),
        sa.CheckConstraint(
            "(wake_at IS NOT NULL) OR place IS NULL OR place = 'ready'", name=op.f("ck_messages_wake_at")
        ),
        sa.CheckConstraint("place IN ('held', 'ready', 'lane', 'worker')", name=op.f("ck_messages_place")),
        sa.CheckConstraint("status <> 10 OR place = 'held'", name=op.f("ck_messages_scheduled_is_held")),
        sa.CheckConstraint("tier IN ('critical', 'standard', 'bulk')", name=op.f("ck_messages_tier")),
        sa.CheckConstraint(
            "wake_at IS NULL OR place <> 'held' OR wake_at <= not_after",
            name=op.f("ck_messages_held_inside_window"),
        ),
        sa.CheckConstraint(
            "(place IS NOT NULL) = (status IN (10, 11))", name=op.f("ck_messages_place_while_open")
        ),
        sa.CheckConstraint("not_before < not_after", name=op.f("ck_messages_window")),
        sa.CheckConstraint(
            "status IN (10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 38, 39, 90)",
            name=op.f("ck_messages_status"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_messages_account_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_messages_batch_id")),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_messages_sender_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("public_id", name=op.f("uq_messages_public_id")),
        postgresql_with={
            "fillfactor": 70,
            "autovacuum_vacuum_scale_factor": 0.02,
            "autovacuum_vacuum_insert_scale_factor": 0.05,
            "autovacuum_analyze_scale_factor": 0.02,
            "autovacuum_vacuum_cost_delay": 0,
        },
    )


_LOOKS = {
    "expire": (["not_after"], "place IN ('held', 'ready', 'lane')"),
    "fill": (["tier", "account_id", "id"], "place = 'ready'"),
    "lane": (["tier", "wake_at"], "place = 'lane'"),
    "no_receipt": (["wake_at"], "status = 12 AND wake_at IS NOT NULL"),
    "release": (["wake_at"], "place = 'held'"),
    "rescue": (["wake_at"], "place = 'worker'"),
}


def _message_indexes() -> None:
    op.create_index(op.f("ix_messages_batch_id"), "messages", ["batch_id"])
    for duty, (columns, rows) in _LOOKS.items():
        op.create_index(f"ix_messages_{duty}", "messages", columns, postgresql_where=sa.text(rows))


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger()),
        sa.Column("message_id", sa.BigInteger()),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(kind = 'charge') = (amount < 0)", name=op.f("ck_ledger_sign")),
        sa.CheckConstraint("(kind = 'charge') = (batch_id IS NOT NULL)", name=op.f("ck_ledger_batch")),
        sa.CheckConstraint("(kind = 'refund') = (message_id IS NOT NULL)", name=op.f("ck_ledger_message")),
        sa.CheckConstraint("kind IN ('topup', 'charge', 'refund')", name=op.f("ck_ledger_kind")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_ledger_account_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_ledger_batch_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_ledger_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
    )
    op.create_index(op.f("ix_ledger_account_id"), "ledger", ["account_id"], unique=False)
    op.create_index(
        "uq_ledger_refund", "ledger", ["message_id"], unique=True, postgresql_where=sa.text("kind = 'refund'")
    )


def _message_events() -> None:
    op.create_table(
        "message_events",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("provider", sa.Text()),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "status IN (10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 38, 39, 90)",
            name=op.f("ck_message_events_status"),
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_events_message_id")),
        sa.PrimaryKeyConstraint("message_id", "seq", name=op.f("pk_message_events")),
    )


def _receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text()),
        sa.Column("reference", sa.Uuid()),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", _AT, nullable=False),
        sa.Column("wake_at", _AT),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("message_id", sa.BigInteger()),
        sa.Column("verdict", sa.Text(), server_default="new", nullable=False),
        sa.CheckConstraint("(wake_at IS NOT NULL) = (verdict = 'new')", name=op.f("ck_receipts_wake_at")),
        sa.CheckConstraint(
            "verdict IN ('new', 'moved', 'noted', 'unknown')", name=op.f("ck_receipts_verdict")
        ),
        sa.CheckConstraint(
            "ref IS NOT NULL OR reference IS NOT NULL", name=op.f("ck_receipts_names_a_message")
        ),
        sa.CheckConstraint(
            "status IN (10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 38, 39, 90)",
            name=op.f("ck_receipts_status"),
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_receipts_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    op.create_index(
        "ix_receipts_match",
        "receipts",
        ["wake_at"],
        unique=False,
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_receipts_message_id"), "receipts", ["message_id"], unique=False)


def _submissions() -> None:
    op.create_table(
        "submissions",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("at", _AT, nullable=False),
        sa.CheckConstraint(
            "status IN (10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 38, 39, 90)",
            name=op.f("ck_submissions_status"),
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_submissions_message_id")),
        sa.PrimaryKeyConstraint("provider", "ref", name=op.f("pk_submissions")),
    )
    op.create_index(op.f("ix_submissions_message_id"), "submissions", ["message_id"], unique=False)
