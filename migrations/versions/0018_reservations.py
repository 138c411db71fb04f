"""Credits of a batch in an application's transaction are reserved until that has ended."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# When the lock is granted, every transaction that wrote a batch is over, and its batch is there or is not.
_LOCK = "LOCK TABLE batches, reservations IN SHARE MODE"
_GIVE_BACK = """
UPDATE accounts a SET balance = a.balance + g.amount
FROM (
    SELECT r.account_id, sum(r.amount) AS amount FROM reservations r
    WHERE NOT EXISTS (SELECT FROM batches b WHERE b.id = r.batch_id) GROUP BY r.account_id
) g
WHERE a.id = g.account_id
"""


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "reservations",
        sa.Column("batch_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column(
            "account_id",
            sa.BigInteger(),
            sa.ForeignKey("accounts.id", name="fk_reservations_account_id"),
            nullable=False,
        ),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("counted_on", sa.Date()),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("amount >= 0 AND messages >= 0", name="amount"),
    )


def downgrade() -> None:
    """Give back what no batch has used, and drop the table, after the transactions that write batches."""
    op.execute(_LOCK)
    op.execute(_GIVE_BACK)
    op.drop_table("reservations")
