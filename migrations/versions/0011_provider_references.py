"""
The table of providers' references is named after them; a submission is what a client hands in.

A view has the old name, so that a worker that still runs while the database is
upgraded can record the outcomes of its open calls. A later migration drops it.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_CONSTRAINTS = ("pk_{}", "ck_{}_status")
_INDEXES = ("ix_{}_message_id", "ix_{}_poll")


def upgrade() -> None:
    """Rename the table, its constraints and its indexes."""
    _rename("submissions", "provider_references")
    op.execute("CREATE VIEW submissions AS SELECT * FROM provider_references")


def downgrade() -> None:
    """Give them their old names back."""
    op.execute("DROP VIEW submissions")
    _rename("provider_references", "submissions")


def _rename(old: str, new: str) -> None:
    op.rename_table(old, new)
    for name in _CONSTRAINTS:
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT {name.format(old)} TO {name.format(new)}")
    for name in _INDEXES:
        op.execute(f"ALTER INDEX {name.format(old)} RENAME TO {name.format(new)}")
