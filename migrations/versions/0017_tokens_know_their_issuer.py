"""A token knows the family of the token that it was issued with, so that revoking one ends both."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("tokens", sa.Column("issued_by", sa.Uuid(), nullable=True))
    op.create_index("ix_tokens_issued_by", "tokens", ["issued_by"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_tokens_issued_by", "tokens")
    op.drop_column("tokens", "issued_by")
