"""Messages from handsets, callbacks about them, and opt-outs that a receipt reports."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table, and what leads from and to it."""
    _inbound()
    op.create_index("ix_senders_name", "senders", ["name"])
    op.add_column("receipts", sa.Column("opted_out", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("webhooks", sa.Column("inbound", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute("UPDATE webhooks SET inbound = true WHERE dialect = 'smsgate' AND event = 'sms:received'")
    _callbacks()


def downgrade() -> None:
    """Drop them, with all they hold."""
    op.execute("DELETE FROM callbacks WHERE inbound_id IS NOT NULL")
    op.drop_constraint("ck_callbacks_subject", "callbacks")
    op.drop_constraint("uq_callbacks_message_id_inbound_id_seq_url_webhook_id", "callbacks")
    op.drop_column("callbacks", "inbound_id")
    op.alter_column("callbacks", "message_id", nullable=False)
    op.create_unique_constraint(
        "uq_callbacks_message_id_seq_url_webhook_id",
        "callbacks",
        ["message_id", "seq", "url", "webhook_id"],
        postgresql_nulls_not_distinct=True,
    )
    op.drop_column("webhooks", "inbound")
    op.drop_column("receipts", "opted_out")
    op.drop_index("ix_senders_name", "senders")
    op.drop_table("inbound")


def _inbound() -> None:
    op.create_table(
        "inbound",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text()),
        sa.Column("account_id", sa.BigInteger()),
        sa.Column("sender_id", sa.BigInteger()),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("action", sa.Text()),
        sa.Column("sent_at", _AT),
        sa.Column("received_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound")),
        sa.UniqueConstraint("public_id", name=op.f("uq_inbound_public_id")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_inbound_account_id")),
        sa.ForeignKeyConstraint(["sender_id"], ["senders.id"], name=op.f("fk_inbound_sender_id")),
        sa.CheckConstraint("action IN ('stop', 'start', 'help')", name=op.f("ck_inbound_action")),
        sa.CheckConstraint("(sender_id IS NULL) = (account_id IS NULL)", name=op.f("ck_inbound_owner")),
    )
    op.create_index(
        "uq_inbound_ref",
        "inbound",
        ["provider", "ref"],
        unique=True,
        postgresql_where=sa.text("ref IS NOT NULL"),
    )
    for columns in (("account_id", "id"), ("account_id", "received_at"), ("number", "id")):
        op.create_index(f"ix_inbound_{'_'.join(columns)}", "inbound", list(columns))


def _callbacks() -> None:
    op.add_column("callbacks", sa.Column("inbound_id", sa.BigInteger()))
    op.create_foreign_key(op.f("fk_callbacks_inbound_id"), "callbacks", "inbound", ["inbound_id"], ["id"])
    op.alter_column("callbacks", "message_id", nullable=True)
    op.create_check_constraint(
        op.f("ck_callbacks_subject"), "callbacks", "(message_id IS NULL) <> (inbound_id IS NULL)"
    )
    op.drop_constraint("uq_callbacks_message_id_seq_url_webhook_id", "callbacks")
    op.create_unique_constraint(
        op.f("uq_callbacks_message_id_inbound_id_seq_url_webhook_id"),
        "callbacks",
        ["message_id", "inbound_id", "seq", "url", "webhook_id"],
        postgresql_nulls_not_distinct=True,
    )
