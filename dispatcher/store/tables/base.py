"""The common parts of the tables: the metadata, its names, and the columns that many tables have."""

from enum import StrEnum

from sqlalchemy import BigInteger, Column, DateTime, Identity, MetaData, func

from dispatcher.domain.messages.status import Status
from dispatcher.store.status_literals import code_list

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

STATUSES = code_list(Status)


def id_column() -> Column[int]:
    """Return the column `id`, which Postgres generates."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def time_column(name: str, *, nullable: bool = False) -> Column[object]:
    """Return a column for a time."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def now_column(name: str) -> Column[object]:
    """Return a column for a time whose default is the time of the transaction."""
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def check_one_of(column: str, values: type[StrEnum]) -> str:
    """Return the condition that a column has one of these values."""
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"
