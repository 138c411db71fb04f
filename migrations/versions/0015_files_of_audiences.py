"""An audience knows how its file was read, and all columns that it had, so that rejects are whole rows."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; an older audience has none of these values."""
    op.add_column("audiences", sa.Column("encoding", sa.Text(), nullable=False, server_default=""))
    op.add_column("audiences", sa.Column("separator", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "audiences", sa.Column("file_columns", sa.ARRAY(sa.Text()), nullable=False, server_default="{}")
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("encoding", "separator", "file_columns"):
        op.drop_column("audiences", name)
