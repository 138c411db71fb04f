"""Operators' overrides of providers; the providers themselves are in the settings."""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from dispatcher.domain.routing.provider_state import Override
from dispatcher.store.tables.base import check_one_of, id_column, metadata, now_column

provider_orders = Table(
    "provider_orders",
    metadata,
    id_column(),
    Column("provider", Text, nullable=False),
    Column("order", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    now_column("set_at"),
    Column("set_by", Text, nullable=False),
    CheckConstraint(check_one_of('"order"', Override), "order"),
    Index("ix_provider_orders_provider_id", "provider", "id"),
)
