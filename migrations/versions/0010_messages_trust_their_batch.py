"""A message has its account and its sender from its batch, whose foreign keys check both."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the keys that check them again, row by row."""
    op.drop_constraint("fk_messages_account_id", "messages")
    op.drop_constraint("fk_messages_sender_id", "messages")


def downgrade() -> None:
    """Make them again."""
    op.create_foreign_key("fk_messages_sender_id", "messages", "senders", ["sender_id"], ["id"])
    op.create_foreign_key("fk_messages_account_id", "messages", "accounts", ["account_id"], ["id"])
