"""Campaigns: audiences, runs and the flow of their messages; allowed hours; adjusted charges."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = ("account_hours", "audiences", "recipients", "rejects", "campaigns", "runs")

_AT = sa.DateTime(timezone=True)
_TIERS = "tier IN ('critical', 'standard', 'bulk')"


def upgrade() -> None:
    """Make the tables, and what leads to them."""
    _account_hours()
    _audiences()
    _recipients()
    _campaigns()
    _runs()
    _batches_and_messages()
    _ledger(
        "kind IN ('topup', 'charge', 'adjust', 'refund')",
        "CASE kind WHEN 'charge' THEN amount < 0 WHEN 'adjust' THEN amount <> 0 ELSE amount > 0 END",
        "(kind IN ('charge', 'adjust')) = (batch_id IS NOT NULL)",
    )


def downgrade() -> None:
    """Drop them, with all they hold. Refused by the ledger while it has adjusted charges."""
    _ledger(
        "kind IN ('topup', 'charge', 'refund')",
        "(kind = 'charge') = (amount < 0)",
        "(kind = 'charge') = (batch_id IS NOT NULL)",
    )
    op.drop_index("ix_messages_flow", "messages")
    op.drop_index("ix_messages_fill", "messages")
    op.create_index(
        "ix_messages_fill",
        "messages",
        ["tier", "account_id", "id"],
        postgresql_where=sa.text("place = 'ready'"),
    )
    for table, columns in {"messages": ("flow", "closes_at"), "batches": ("run_id", "paused")}.items():
        for column in columns:
            op.drop_column(table, column)
    for table in reversed(_TABLES):
        op.drop_table(table)


def _account_hours() -> None:
    op.create_table(
        "account_hours",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("hours", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(_TIERS, name=op.f("ck_account_hours_tier")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_account_hours_account_id")),
        sa.PrimaryKeyConstraint("account_id", "tier", name=op.f("pk_account_hours")),
    )


def _audiences() -> None:
    op.create_table(
        "audiences",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("columns", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("rows", sa.Integer(), server_default="0", nullable=False),
        sa.Column("recipients", sa.Integer(), server_default="0", nullable=False),
        sa.Column("zones", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("zone_counts", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("created_at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.Column("ready_at", _AT),
        sa.CheckConstraint("name <> ''", name=op.f("ck_audiences_name")),
        sa.CheckConstraint("state IN ('importing', 'ready', 'removing')", name=op.f("ck_audiences_state")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_audiences_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audiences")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_audiences_account_id_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_audiences_public_id")),
    )


def _recipients() -> None:
    for table, key, columns in (
        (
            "recipients",
            "position",
            (
                sa.Column("line", sa.Integer(), nullable=False),
                sa.Column("number", sa.Text(), nullable=False),
                sa.Column("number_as_given", sa.Text(), nullable=False),
                sa.Column("country", sa.Text(), nullable=False),
                sa.Column("zone", sa.SmallInteger(), nullable=False),
                sa.Column("variables", postgresql.JSONB(), server_default="{}", nullable=False),
                sa.UniqueConstraint("audience_id", "number", name=op.f("uq_recipients_audience_id_number")),
            ),
        ),
        (
            "rejects",
            "line",
            (
                sa.Column("reason", sa.Text(), nullable=False),
                sa.Column("raw", sa.Text(), nullable=False),
            ),
        ),
    ):
        op.create_table(
            table,
            sa.Column("audience_id", sa.BigInteger(), nullable=False),
            sa.Column(key, sa.Integer(), autoincrement=False, nullable=False),
            *columns,
            sa.ForeignKeyConstraint(
                ["audience_id"], ["audiences.id"], name=op.f(f"fk_{table}_audience_id"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("audience_id", key, name=op.f(f"pk_{table}")),
        )
    op.create_index("ix_recipients_zone", "recipients", ["audience_id", "zone", "position"])


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("audience_id", sa.BigInteger(), nullable=False),
        sa.Column("template_id", sa.BigInteger()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sender_id", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("validity", sa.Interval()),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("first_at", _AT),
        sa.Column("cron", sa.Text()),
        sa.Column("first_day", sa.Date()),
        sa.Column("last_day", sa.Date()),
        sa.Column("spread", sa.Interval()),
        sa.Column("per_second", sa.Numeric(12, 3)),
        sa.Column("hours", postgresql.JSONB()),
        sa.Column("max_cost", sa.BigInteger()),
        sa.Column("callback_url", sa.Text()),
        sa.Column("next_due", _AT),
        sa.Column("paused_at", _AT),
        sa.Column("created_at", _AT, server_default=sa.text("now()"), nullable=False),
        *_campaign_rules(),
    )
    op.create_index(
        "ix_campaigns_next_due",
        "campaigns",
        ["next_due"],
        postgresql_where=sa.text("state = 'active' AND next_due IS NOT NULL"),
    )


def _campaign_rules() -> list[sa.Constraint]:
    states = "state IN ('draft', 'active', 'paused', 'finished', 'cancelled')"
    return [
        sa.CheckConstraint("name <> ''", name=op.f("ck_campaigns_name")),
        sa.CheckConstraint(states, name=op.f("ck_campaigns_state")),
        sa.CheckConstraint(_TIERS, name=op.f("ck_campaigns_tier")),
        sa.CheckConstraint("(cron IS NULL) = (first_at IS NOT NULL)", name=op.f("ck_campaigns_schedule")),
        sa.CheckConstraint("spread IS NULL OR per_second IS NULL", name=op.f("ck_campaigns_pacing")),
        sa.CheckConstraint("max_cost > 0", name=op.f("ck_campaigns_max_cost")),
        sa.CheckConstraint(
            "(state = 'paused') = (paused_at IS NOT NULL)", name=op.f("ck_campaigns_paused_at")
        ),
        *(
            sa.ForeignKeyConstraint([f"{one}_id"], [f"{one}s.id"], name=op.f(f"fk_campaigns_{one}_id"))
            for one in ("account", "audience", "sender", "template")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_campaigns_account_id_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_campaigns_public_id")),
    ]


def _runs() -> None:
    states = "state IN ('expanding', 'sending', 'finished', 'stopped', 'cancelled')"
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", _AT, nullable=False),
        sa.Column("starts_at", _AT, nullable=False),
        sa.Column("pauses", sa.ARRAY(_AT), server_default="{}", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("zone_ranks", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("zone_positions", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("left_out", sa.Integer(), server_default="0", nullable=False),
        sa.Column("charged", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shift", sa.Interval()),
        sa.Column("shifted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", _AT, server_default=sa.text("now()"), nullable=False),
        sa.Column("expanded_at", _AT),
        sa.Column("finished_at", _AT),
        sa.CheckConstraint(states, name=op.f("ck_runs_state")),
        sa.CheckConstraint("position BETWEEN 0 AND total", name=op.f("ck_runs_position")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_runs_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("campaign_id", "due_at", name=op.f("uq_runs_campaign_id_due_at")),
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["campaign_id"],
        postgresql_where=sa.text("state IN ('expanding', 'sending')"),
    )


def _batches_and_messages() -> None:
    op.add_column("batches", sa.Column("run_id", sa.BigInteger()))
    op.add_column("batches", sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_unique_constraint(op.f("uq_batches_run_id"), "batches", ["run_id"])
    op.create_foreign_key(op.f("fk_batches_run_id"), "batches", "runs", ["run_id"], ["id"])
    op.add_column("messages", sa.Column("flow", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("messages", sa.Column("closes_at", _AT))
    op.drop_index("ix_messages_fill", "messages")
    for name, columns, where in (
        ("ix_messages_fill", ["tier", "account_id", "flow", "id"], "place = 'ready'"),
        ("ix_messages_flow", ["flow", "id"], "flow <> 0 AND place IS NOT NULL"),
    ):
        op.create_index(name, "messages", columns, postgresql_where=sa.text(where))


def _ledger(kind: str, sign: str, batch: str) -> None:
    for name, rule in (("kind", kind), ("sign", sign), ("batch", batch)):
        op.drop_constraint(op.f(f"ck_ledger_{name}"), "ledger")
        op.create_check_constraint(op.f(f"ck_ledger_{name}"), "ledger", rule)
