"""A run remembers which messages a worker held when the campaign's text was changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    ids = postgresql.ARRAY(sa.BigInteger())
    op.add_column("runs", sa.Column("late_messages", ids, nullable=False, server_default="{}"))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("runs", "late_messages")
