"""Due messages are released tier by tier, and those of a backlog account by account."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_HELD = sa.text("place = 'held'")


def upgrade() -> None:
    """Make the indexes for that."""
    op.drop_index("ix_messages_release", "messages")
    op.create_index("ix_messages_release", "messages", ["tier", "wake_at"], postgresql_where=_HELD)
    op.create_index(
        "ix_messages_turns", "messages", ["account_id", "flow", "tier", "wake_at"], postgresql_where=_HELD
    )


def downgrade() -> None:
    """Make the one index for all tiers again."""
    op.drop_index("ix_messages_turns", "messages")
    op.drop_index("ix_messages_release", "messages")
    op.create_index("ix_messages_release", "messages", ["wake_at"], postgresql_where=_HELD)
