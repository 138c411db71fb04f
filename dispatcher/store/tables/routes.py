"""Tables of routes: all that were set, of which the newest is in force."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from dispatcher.store.tables.base import id_column, metadata, now_column

routes = Table(
    "routes",
    metadata,
    id_column(),
    Column("document", JSONB, nullable=False),
    now_column("set_at"),
    Column("set_by", Text, nullable=False),
)
