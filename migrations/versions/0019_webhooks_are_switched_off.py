"""
Webhooks that are gone or dead are switched off, and secrets of callbacks rotate.

A replayed callback has a deadline of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("webhooks", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("webhooks", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("webhooks", sa.Column("disabled_reason", sa.Text(), nullable=True))
    op.create_check_constraint("disabled", "webhooks", "(disabled_at IS NULL) = (disabled_reason IS NULL)")
    op.add_column("callbacks", sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("accounts", sa.Column("previous_callback_secret", sa.Text(), nullable=True))
    op.add_column("accounts", sa.Column("previous_secret_until", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        "previous_callback_secret",
        "accounts",
        "(previous_callback_secret IS NULL) = (previous_secret_until IS NULL)",
    )


def downgrade() -> None:
    """Drop them; a webhook that was switched off is called again."""
    op.drop_constraint("ck_accounts_previous_callback_secret", "accounts")
    op.drop_column("accounts", "previous_secret_until")
    op.drop_column("accounts", "previous_callback_secret")
    op.drop_column("callbacks", "replayed_at")
    op.drop_constraint("ck_webhooks_disabled", "webhooks")
    for column in ("disabled_reason", "disabled_at", "failing_since"):
        op.drop_column("webhooks", column)
