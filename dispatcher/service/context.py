"""What every use case needs, built once by `bootstrap`."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from dispatcher.domain.condition import Condition
from dispatcher.domain.provider import Provider, ProviderConfig
from dispatcher.domain.tier import Tier
from dispatcher.gather import Gather
from dispatcher.lanes.limits import Limits
from dispatcher.lanes.pulse import Pulse
from dispatcher.lanes.throttle import Throttle
from dispatcher.service.database import Database
from dispatcher.service.pg_time import Time
from dispatcher.service.routing import Routes
from dispatcher.service.watch import ProviderHealth
from dispatcher.settings import Settings

Q = TypeVar("Q")
A = TypeVar("A")


class Lanes(Protocol):
    """How ids get into a lane. Neither call blocks or fails; the clock finds what is lost."""

    def publish(self, tier: Tier, ids: Sequence[int]) -> None:
        """Put these ids into their lane."""

    def wake(self, at: datetime) -> None:
        """Tell the timer of an earlier `wake_at`."""


@dataclass(frozen=True, slots=True)
class Way:
    """A provider and what the engine knows of it."""

    config: ProviderConfig
    provider: Provider


@dataclass(frozen=True, slots=True)
class Context:
    """
    The parts a use case works with. `time` is the one clock.

    `conditions` tells how providers are at the moment; one that it does not
    name is well.
    """

    settings: Settings
    database: Database
    time: Time
    lanes: Lanes
    throttle: Throttle
    limits: Limits
    pulse: Pulse
    ways: Mapping[str, Way]
    provider_health: ProviderHealth
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    routes: Routes = field(default_factory=Routes)
    rng: random.Random = field(default_factory=random.Random)
    _gathers: dict[object, Gather[Any, Any]] = field(default_factory=dict, repr=False, compare=False)

    def now(self) -> datetime:
        """Tell the time, Postgres's."""
        return self.time.now()

    def gathered(
        self, answer: "Callable[[Context, Sequence[Q]], Awaitable[Sequence[A]]]", *, at_once: int = 1
    ) -> "Gather[Q, A]":
        """Give the one gathering of questions that `answer` answers in this process."""
        if answer not in self._gathers:
            self._gathers[answer] = Gather(partial(answer, self), at_once=at_once)
        return self._gathers[answer]
