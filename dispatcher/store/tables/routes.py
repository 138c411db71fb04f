"""Tables of routes: each one that was set; the newest is in force."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from dispatcher.store.tables.base import metadata, now, number

routes = Table(
    "routes",
    metadata,
    number(),
    Column("document", JSONB, nullable=False),
    now("set_at"),
    Column("set_by", Text, nullable=False),
)
