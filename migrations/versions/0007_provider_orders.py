"""Operators' overrides of providers, and which messages wait because no provider of their route takes any."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and what a message waits for."""
    op.create_table(
        "provider_orders",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("order", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_orders")),
        sa.CheckConstraint(
            "\"order\" IN ('none', 'paused', 'drained', 'pinned')", name=op.f("ck_provider_orders_order")
        ),
    )
    op.create_index("ix_provider_orders_provider_id", "provider_orders", ["provider", "id"])
    op.add_column("messages", sa.Column("waits_for", sa.Text))
    op.create_index(
        "ix_messages_waits_for",
        "messages",
        ["id"],
        postgresql_where=sa.text("place = 'held' AND waits_for IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop them, with all orders."""
    op.drop_index("ix_messages_waits_for", "messages")
    op.drop_column("messages", "waits_for")
    op.drop_table("provider_orders")
