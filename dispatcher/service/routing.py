"""What a process knows of the routes: the table in force, and the plans it has made by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dispatcher.domain.route import Plan
from dispatcher.domain.route_table import Asked, RouteTable


@dataclass(slots=True)
class Routes:
    """
    The table in force, as read last.

    `version` is the id of its row, 0 when none was set, None before the first
    read. `accounts` are the names of those accounts that it names.
    """

    table: RouteTable = field(default_factory=RouteTable)
    version: int | None = None
    accounts: Mapping[int, str] = field(default_factory=dict)
    plans: dict[Asked, Plan] = field(default_factory=dict, repr=False)
