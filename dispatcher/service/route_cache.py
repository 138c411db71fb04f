"""The routes of a process: the current route table, and the plans made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dispatcher.domain.routing.route import RoutePlan
from dispatcher.domain.routing.route_table import RouteRequest, RouteTable


@dataclass(slots=True)
class RouteCache:
    """
    The current route table, as last read.

    `version` is the id of its row: 0 if no table was ever set, None before the
    first read. `accounts` holds the names of the accounts in the table, by id.
    """

    table: RouteTable = field(default_factory=RouteTable)
    version: int | None = None
    accounts: Mapping[int, str] = field(default_factory=dict)
    plans: dict[RouteRequest, RoutePlan] = field(default_factory=dict, repr=False)
