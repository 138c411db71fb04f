"""The objects that every use case needs, built once by `bootstrap`."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Generic, Protocol

from dispatcher.batching import Batcher, Request, Result
from dispatcher.domain.accounts.failed_logins import FailedLogins
from dispatcher.domain.callbacks.urls import UrlRules
from dispatcher.domain.delivery.provider import Provider, ProviderConfig
from dispatcher.domain.routing.provider_state import ProviderState
from dispatcher.domain.tier import Tier
from dispatcher.lanes.heartbeats import Heartbeats
from dispatcher.lanes.limits import Limits
from dispatcher.lanes.throttle import Throttle
from dispatcher.service.account_turns import AccountTurns
from dispatcher.service.background import BackgroundTasks
from dispatcher.service.bounded_checks import BoundedChecks
from dispatcher.service.database import Database
from dispatcher.service.passwords import PasswordChecker
from dispatcher.service.provider_health import ProviderHealth
from dispatcher.service.route_cache import RouteCache
from dispatcher.service.time import Time
from dispatcher.settings import Settings


class LanePublisher(Protocol):
    """
    Puts ids into lanes. Neither call blocks or fails; the clock finds messages whose ids are lost.

    While the lanes are not `reachable`, what is due stays ready.
    """

    reachable: bool

    def publish(self, tier: Tier, ids: Sequence[int]) -> None:
        """Put these ids into their lane."""

    def wake(self, at: datetime) -> None:
        """Wake the timer for an earlier `wake_at`."""


@dataclass(frozen=True, slots=True)
class ConfiguredProvider:
    """A provider as it is configured, and the plug-in that calls it."""

    config: ProviderConfig
    provider: Provider


@dataclass(frozen=True, slots=True)
class Context:
    """
    The objects that a use case works with. `time` is the only clock that it reads.

    `provider_states` holds the present state by name; a provider without an
    entry is available.
    """

    settings: Settings
    database: Database
    time: Time
    lanes: LanePublisher
    throttle: Throttle
    limits: Limits
    heartbeats: Heartbeats
    providers: Mapping[str, ConfiguredProvider]
    provider_health: ProviderHealth
    background: BackgroundTasks
    provider_states: Mapping[str, ProviderState] = field(default_factory=dict)
    routes: RouteCache = field(default_factory=RouteCache)
    passwords: PasswordChecker = field(default_factory=PasswordChecker)
    checks: BoundedChecks = field(default_factory=BoundedChecks)
    turns: AccountTurns = field(default_factory=AccountTurns)
    failed_logins: FailedLogins = field(default_factory=FailedLogins)
    rng: random.Random = field(default_factory=random.Random)
    _batchers: "dict[Batched[Any, Any], Batcher[Any, Any]]" = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def now(self) -> datetime:
        """Return the time of Postgres."""
        return self.time.now()

    @property
    def url_rules(self) -> UrlRules:
        """The rules for every URL that callbacks go to."""
        return UrlRules(
            allow_private=self.settings.callback_private, https_only=self.settings.callback_https_only
        )

    def batcher(self, batched: "Batched[Request, Result]") -> Batcher[Request, Result]:
        """Return the one batcher of this use case in this process."""
        if batched not in self._batchers:
            self._batchers[batched] = Batcher(partial(batched.process, self), at_once=batched.at_once)
        return self._batchers[batched]


@dataclass(frozen=True, slots=True, eq=False)
class Batched(Generic[Request, Result]):
    """
    A use case whose concurrent requests are processed together; a constant of its module.

    `process` and `at_once` are as for `Batcher`. Each instance has its own
    batcher, because no two are equal.
    """

    process: Callable[[Context, Sequence[Request]], Awaitable[Sequence[Result]]]
    at_once: int = 1
