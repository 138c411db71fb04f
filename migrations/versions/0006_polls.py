"""Polls: when a reference is asked for, and the receipts that found no message."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the two indexes; both are empty, so nothing is read."""
    op.add_column("submissions", sa.Column("wake_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_submissions_poll",
        "submissions",
        ["provider", "wake_at"],
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )
    op.create_index(
        "ix_receipts_unmatched", "receipts", ["id"], postgresql_where=sa.text("verdict IN ('new', 'unknown')")
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_receipts_unmatched", "receipts")
    op.drop_index("ix_submissions_poll", "submissions")
    op.drop_column("submissions", "wake_at")
