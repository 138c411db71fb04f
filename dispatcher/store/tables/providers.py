"""What operators have ordered of providers; the providers themselves are in the settings."""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from dispatcher.domain.routing.provider_state import Override
from dispatcher.store.tables.base import metadata, now, number, one_of

provider_orders = Table(
    "provider_orders",
    metadata,
    number(),
    Column("provider", Text, nullable=False),
    Column("order", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    now("set_at"),
    Column("set_by", Text, nullable=False),
    CheckConstraint(one_of('"order"', Override), "order"),
    Index("ix_provider_orders_provider_id", "provider", "id"),
)
