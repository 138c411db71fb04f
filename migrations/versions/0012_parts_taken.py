"""A message keeps which of its parts a provider has, until it has all of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BIT

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. It is null for all messages that were not sent in part."""
    op.add_column("messages", sa.Column("parts_taken", BIT(varying=True)))


def downgrade() -> None:
    """Drop it. What a provider has in part is in doubt for the version before: it is not refunded."""
    op.execute(
        "UPDATE messages SET doubts = greatest(doubts, 1)"
        " WHERE parts_taken IS NOT NULL AND place IN ('held', 'ready', 'lane', 'worker')"
    )
    op.drop_column("messages", "parts_taken")
