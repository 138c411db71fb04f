"""What the drain of a provider would do, before it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dispatcher.domain.errors import NotConfirmed
from dispatcher.domain.routing.drain import last_way_of
from dispatcher.domain.routing.provider_state import AVAILABLE, Override, ProviderState
from dispatcher.domain.routing.route import plan_route, refusal
from dispatcher.domain.routing.route_table import RouteRequest
from dispatcher.service.context import Context
from dispatcher.service.routing import routes
from dispatcher.store.messages import delays

_MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class DrainEffect:
    """
    What a drain does to messages that have no other provider.

    `refused` are the kinds of messages that are refused from then on.
    `waiting` counts the accepted messages that wait until its end;
    `is_cut` means that there may be more.
    """

    provider: str
    refused: Sequence[str]
    waiting: int
    is_cut: bool

    @property
    def needs_confirmation(self) -> bool:
        """Whether it is the last way of any message."""
        return bool(self.refused or self.waiting)

    def __str__(self) -> str:
        """Return it in sentences for the operator who drains it."""
        parts = []
        if self.refused:
            parts.append(f"new {'; new '.join(self.refused)} are refused with 28 No route")
        if self.waiting:
            more = " or more" if self.is_cut else ""
            wait = "message waits" if self.waiting == 1 and not self.is_cut else "messages wait"
            parts.append(f"{self.waiting:,}{more} accepted {wait} until the drain ends")
        return f"{self.provider} is the last way of some messages: {'; '.join(parts)}"


async def require_confirmation(ctx: Context, name: str, *, confirmed: bool) -> None:
    """Raise NotConfirmed with what a drain would do, if it needs a confirmation. Raises Unavailable."""
    if not confirmed and (effect := await drain_effect(ctx, name)).needs_confirmation:
        raise NotConfirmed(str(effect))


async def drain_effect(ctx: Context, name: str) -> DrainEffect:
    """Return what a drain of a configured provider would do. Raises Unavailable and Misconfigured."""
    await routes.refresh(ctx)
    await ctx.provider_health.refresh()
    table, states = ctx.routes.table, dict(ctx.provider_states)
    configs = {one: configured.config for one, configured in ctx.providers.items()}
    refused = last_way_of(name, table, configs, states)
    open_messages = await ctx.database.single(
        lambda c: delays.open_messages(c, reach=table.reach, limit=_MOST_COUNTED)
    )
    waiting = 0
    after = states | {name: replace(states.get(name, AVAILABLE), override=Override.DRAINED)}
    for one in open_messages:
        request = RouteRequest(one.country, one.number, one.tier, one.sender, one.account, one.is_test)
        plan = plan_route(table, request, configs)
        names = plan.names if one.only_provider is None else (one.only_provider,)
        if name in names and refusal(plan, states) is None and _are_drained(names, after):
            waiting += one.count
    counted = sum(one.count for one in open_messages)
    return DrainEffect(name, refused, waiting, is_cut=counted >= _MOST_COUNTED)


def _are_drained(names: Sequence[str], states: Mapping[str, ProviderState]) -> bool:
    return all(states.get(name, AVAILABLE).override is Override.DRAINED for name in names)
