"""What the five dialects assume of an account: credentials, tokens, templates, opt-outs, callbacks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = ("tokens", "templates", "opt_outs", "idempotency_keys", "webhooks", "callbacks")

_SECRET = "'whsec_' || encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64')"  # noqa: S105
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and the columns that lead to them."""
    _accounts()
    _credentials()
    _tokens()
    _templates()
    _opt_outs()
    _batches_and_messages()
    _idempotency_keys()
    _webhooks()
    _callbacks()
    _callback_indexes()


def downgrade() -> None:
    """Drop them, with all they hold; operators, and credentials with a name, go too."""
    op.drop_index("ix_messages_number", "messages")
    op.drop_index("uq_batches_external_id", "batches")
    for table, columns in {
        "messages": ("is_test", "calls_back", "traceparent"),
        "batches": ("external_id", "client_id", "callback_url", "template_id"),
    }.items():
        for column in columns:
            op.drop_column(table, column)
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.execute("DELETE FROM credentials WHERE name IS NOT NULL OR account_id IS NULL OR digest IS NULL")
    op.drop_index("uq_credentials_name", "credentials")
    for name in ("one_secret", "owner"):
        op.drop_constraint(op.f(f"ck_credentials_{name}"), "credentials")
    for column in ("dialect", "name", "password_hash", "is_test"):
        op.drop_column("credentials", column)
    op.alter_column("credentials", "digest", nullable=False)
    op.alter_column("credentials", "account_id", nullable=False)
    for column in (
        "rate_limit", "daily_cap", "allowed_countries", "tier_cap", "paused_at", "callback_secret",
        "counted_on", "counted",
    ):  # fmt: skip
        op.drop_column("accounts", column)


def _accounts() -> None:
    for column in (
        sa.Column("rate_limit", sa.Integer()),
        sa.Column("daily_cap", sa.Integer()),
        sa.Column("allowed_countries", sa.ARRAY(sa.Text())),
        sa.Column("tier_cap", sa.Text()),
        sa.Column("paused_at", _AT),
        sa.Column("callback_secret", sa.Text(), server_default=sa.text(_SECRET), nullable=False),
        sa.Column("counted_on", sa.Date()),
        sa.Column("counted", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("accounts", column)
    op.create_check_constraint(op.f("ck_accounts_rate_limit"), "accounts", "rate_limit > 0")
    op.create_check_constraint(op.f("ck_accounts_daily_cap"), "accounts", "daily_cap >= 0")
    op.create_check_constraint(
        op.f("ck_accounts_tier_cap"), "accounts", "tier_cap IN ('critical', 'standard', 'bulk')"
    )


def _credentials() -> None:
    op.add_column("credentials", sa.Column("dialect", sa.Text(), server_default="scheduler", nullable=False))
    op.alter_column("credentials", "dialect", server_default=None)
    op.add_column("credentials", sa.Column("name", sa.Text()))
    op.add_column("credentials", sa.Column("password_hash", sa.Text()))
    op.add_column(
        "credentials", sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.alter_column("credentials", "digest", nullable=True)
    op.alter_column("credentials", "account_id", nullable=True)
    op.create_check_constraint(
        op.f("ck_credentials_one_secret"), "credentials", "(digest IS NULL) <> (password_hash IS NULL)"
    )
    op.create_check_constraint(
        op.f("ck_credentials_owner"), "credentials", "account_id IS NOT NULL OR dialect = 'manage'"
    )
    op.create_index(
        "uq_credentials_name",
        "credentials",
        ["dialect", "kind", "name"],
        unique=True,
        postgresql_where=sa.text("name IS NOT NULL AND revoked_at IS NULL"),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("family", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.BigInteger(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("refresh_digest", sa.LargeBinary()),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("expires_at", _AT, nullable=False),
        sa.Column("refresh_until", _AT),
        sa.Column("refreshed_at", _AT),
        sa.Column("revoked_at", _AT),
        sa.Column("kept_until", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.ForeignKeyConstraint(["credential_id"], ["credentials.id"], name=op.f("fk_tokens_credential_id")),
        sa.UniqueConstraint("refresh_digest", name=op.f("uq_tokens_refresh_digest")),
    )
    op.create_index(op.f("ix_tokens_family"), "tokens", ["family"])
    op.create_index("ix_tokens_kept_until", "tokens", ["kept_until"])
    op.create_index(op.f("ix_tokens_credential_id"), "tokens", ["credential_id"])


def _templates() -> None:
    op.create_table(
        "templates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.Column("removed_at", _AT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_templates_account_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_templates_public_id")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_templates_name")),
    )
    op.create_index(
        "uq_templates_name",
        "templates",
        ["account_id", "name"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )


def _opt_outs() -> None:
    op.create_table(
        "opt_outs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("sender_id", sa.BigInteger()),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_outs")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_opt_outs_account_id")),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_opt_outs_sender_id")),
        sa.UniqueConstraint(
            "account_id",
            "number",
            "sender_id",
            name=op.f("uq_opt_outs_account_id_number_sender_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )


def _batches_and_messages() -> None:
    op.add_column("batches", sa.Column("external_id", sa.Text()))
    op.add_column("batches", sa.Column("client_id", sa.Text(), server_default="", nullable=False))
    op.add_column("batches", sa.Column("callback_url", sa.Text()))
    op.add_column("batches", sa.Column("template_id", sa.BigInteger()))
    op.create_foreign_key(op.f("fk_batches_template_id"), "batches", "templates", ["template_id"], ["id"])
    op.create_index(
        "uq_batches_external_id",
        "batches",
        ["account_id", "dialect", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    for name in ("is_test", "calls_back"):
        op.add_column(
            "messages", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
    op.add_column("messages", sa.Column("traceparent", sa.Text()))
    op.create_index("ix_messages_number", "messages", ["number", "created_at"])


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "dialect", "key", name=op.f("pk_idempotency_keys")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_idempotency_keys_account_id")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("statuses", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("created_at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "dialect", "id", name=op.f("pk_webhooks")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_webhooks_account_id")),
    )


def _callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text()),
        sa.Column("event", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("wake_at", _AT),
        sa.Column("ended_at", _AT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_callbacks_account_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_callbacks_message_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_callbacks_public_id")),
        sa.UniqueConstraint(
            "message_id",
            "seq",
            "url",
            "webhook_id",
            name=op.f("uq_callbacks_message_id_seq_url_webhook_id"),
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'refused', 'given_up')", name=op.f("ck_callbacks_state")
        ),
        sa.CheckConstraint("(wake_at IS NOT NULL) = (state = 'waiting')", name=op.f("ck_callbacks_wake_at")),
    )


def _callback_indexes() -> None:
    op.create_index(
        "ix_callbacks_turn",
        "callbacks",
        ["account_id", "wake_at"],
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )
    op.create_index("ix_callbacks_account_id_id", "callbacks", ["account_id", "id"])
