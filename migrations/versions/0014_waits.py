"""
What a message waits for has a kind and a start, and the waits that are over are kept.

`waits_for` is the detail of any wait now, so the index of the messages that
wait for a provider has another condition. It is made anew, which reads the
whole table of messages once.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OLD = "place = 'held' AND waits_for IS NOT NULL"
_NEW = "place = 'held' AND wait_kind = 'provider'"


def upgrade() -> None:
    """Add the columns; messages that wait for a provider do so from now on."""
    op.add_column("messages", sa.Column("wait_kind", sa.Text))
    op.add_column("messages", sa.Column("wait_since", sa.DateTime(timezone=True)))
    op.add_column("messages", sa.Column("waits", JSONB))
    op.execute(
        "UPDATE messages SET wait_kind = 'provider', wait_since = now(),"
        " waits_for = replace(replace(waits_for, ', ', E'\\n'), ' is ', ' ')"
        " WHERE place = 'held' AND waits_for IS NOT NULL"
    )
    op.drop_index("ix_messages_waits_for", "messages")
    op.create_index("ix_messages_provider_wait", "messages", ["id"], postgresql_where=sa.text(_NEW))


def downgrade() -> None:
    """Drop the columns; only a wait for a provider has a text."""
    op.execute(
        "UPDATE messages SET waits_for = CASE WHEN wait_kind = 'provider' AND place = 'held'"
        " THEN replace(regexp_replace(waits_for, '(^|\\n)(\\S+) ', '\\1\\2 is ', 'g'), E'\\n', ', ') END"
        " WHERE waits_for IS NOT NULL"
    )
    op.drop_index("ix_messages_provider_wait", "messages")
    op.create_index("ix_messages_waits_for", "messages", ["id"], postgresql_where=sa.text(_OLD))
    op.drop_column("messages", "waits")
    op.drop_column("messages", "wait_since")
    op.drop_column("messages", "wait_kind")
