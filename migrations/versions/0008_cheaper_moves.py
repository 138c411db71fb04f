"""The columns by which messages are found get a table; events and references lose foreign keys."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, fill it, and drop the indexes that it stands for."""
    op.create_table(
        "message_lookup",
        sa.Column("public_id", sa.Uuid, nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("batch_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("public_id", name=op.f("pk_message_lookup")),
    )
    op.execute(
        "INSERT INTO message_lookup (public_id, message_id, batch_id, number, created_at)"
        " SELECT public_id, id, batch_id, number, created_at FROM messages"
    )
    op.create_index("ix_message_lookup_batch_id", "message_lookup", ["batch_id", "message_id"])
    op.create_index("ix_message_lookup_number", "message_lookup", ["number", "created_at", "message_id"])
    op.drop_constraint("uq_messages_public_id", "messages")
    op.drop_index("ix_messages_batch_id", "messages")
    op.drop_index("ix_messages_number", "messages")
    op.drop_constraint("fk_message_events_message_id", "message_events")
    op.drop_constraint("fk_submissions_message_id", "submissions")


def downgrade() -> None:
    """Make keys and indexes again, and drop the table."""
    op.create_foreign_key("fk_submissions_message_id", "submissions", "messages", ["message_id"], ["id"])
    op.create_foreign_key(
        "fk_message_events_message_id", "message_events", "messages", ["message_id"], ["id"]
    )
    op.create_index("ix_messages_number", "messages", ["number", "created_at"])
    op.create_index("ix_messages_batch_id", "messages", ["batch_id"])
    op.create_unique_constraint("uq_messages_public_id", "messages", ["public_id"])
    op.drop_table("message_lookup")
