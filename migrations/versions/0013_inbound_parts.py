"""
Parts of inbound messages wait in the database; a provider's reference may come again; receipts have remarks.

A reference was the key of `provider_references`, so that a second message with
it lost its receipts. The key is now the part of an attempt, and references are
looked up without regard to case.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, columns and indexes."""
    _create_joins()
    op.add_column("inbound", sa.Column("parts", sa.SmallInteger(), nullable=False, server_default="1"))
    missing: sa.Column[list[int]] = sa.Column(
        "missing_parts", sa.ARRAY(sa.SmallInteger()), nullable=False, server_default=sa.text("'{}'")
    )
    op.add_column("inbound", missing)
    op.add_column("inbound", sa.Column("seq", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("inbound", sa.Column("updated_at", sa.DateTime(timezone=True)))

    op.add_column("receipts", sa.Column("remark", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_receipts_remarked", "receipts", ["id"], postgresql_where=sa.text("remark <> ''"))

    op.drop_constraint("pk_provider_references", "provider_references")
    op.create_primary_key("pk_provider_references", "provider_references", ["message_id", "attempt", "part"])
    op.drop_index("ix_provider_references_message_id", "provider_references")
    op.create_index("ix_provider_references_ref", "provider_references", ["provider", sa.text("lower(ref)")])


def downgrade() -> None:
    """Drop them; of several messages with the same reference the newest keeps it."""
    op.execute(
        """
        DELETE FROM provider_references r USING provider_references newer
        WHERE newer.provider = r.provider AND newer.ref = r.ref
          AND (newer.at, newer.message_id, newer.attempt, newer.part)
              > (r.at, r.message_id, r.attempt, r.part)
        """
    )
    op.drop_index("ix_provider_references_ref", "provider_references")
    op.drop_constraint("pk_provider_references", "provider_references")
    op.create_primary_key("pk_provider_references", "provider_references", ["provider", "ref"])
    op.create_index("ix_provider_references_message_id", "provider_references", ["message_id"])

    op.drop_index("ix_receipts_remarked", "receipts")
    op.drop_column("receipts", "remark")

    for column in ("updated_at", "seq", "missing_parts", "parts"):
        op.drop_column("inbound", column)
    op.drop_table("inbound_parts")
    op.drop_table("inbound_joins")


def _create_joins() -> None:
    op.create_table(
        "inbound_joins",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("total", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wake_at", sa.DateTime(timezone=True)),
        sa.Column(
            "inbound_id",
            sa.BigInteger(),
            sa.ForeignKey("inbound.id", name="fk_inbound_joins_inbound_id"),
            index=True,
        ),
        sa.CheckConstraint("(wake_at IS NULL) = (inbound_id IS NOT NULL)", name="wake_at"),
    )
    op.create_index(
        "ix_inbound_joins_key", "inbound_joins", ["provider", "number", "recipient", "reference", "total"]
    )
    op.create_index(
        "ix_inbound_joins_wake_at",
        "inbound_joins",
        ["wake_at"],
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )
    op.create_index("ix_inbound_joins_started_at", "inbound_joins", ["started_at"])
    op.create_table(
        "inbound_parts",
        sa.Column(
            "join_id",
            sa.BigInteger(),
            sa.ForeignKey("inbound_joins.id", name="fk_inbound_parts_join_id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("part", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.Column("alphabet", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text()),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    )
