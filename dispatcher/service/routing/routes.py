"""Routes: the operator's table, how a process follows its changes, and the route of each message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from dispatcher.domain.accounts.account import Account
from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.errors import Invalid, InvalidRoutes, Misconfigured
from dispatcher.domain.messages.status import Status
from dispatcher.domain.numbers.countries import expand
from dispatcher.domain.numbers.msisdn import InvalidNumber, Msisdn, NumberPolicy, parse, sandbox_code
from dispatcher.domain.routing.route import (
    RoutePlan,
    RouteRefusal,
    name_country,
    plan_route,
    rank_providers,
    refusal,
)
from dispatcher.domain.routing.route_document import read_table, unknown_names, warnings
from dispatcher.domain.routing.route_steps import RouteStep, explain_route
from dispatcher.domain.routing.route_table import RouteRequest, RouteTable, join_names
from dispatcher.domain.tier import Tier
from dispatcher.service.context import Context
from dispatcher.store.accounts import accounts
from dispatcher.store.accounts.accounts import TermsRequest
from dispatcher.store.messages.views import MessageView
from dispatcher.store.routing import route_tables as store
from dispatcher.store.routing.route_tables import SetTable

log = structlog.get_logger()

_PLANS = 4096


@dataclass(frozen=True, slots=True)
class TableInForce:
    """The table in force, and when and by whom it was set; without a table the document is empty."""

    document: Mapping[str, object]
    table: RouteTable
    set_at: datetime | None
    set_by: str | None


async def set_table(ctx: Context, document: object, *, by: str) -> Sequence[str]:
    """
    Put a table in force, in all processes within about a second, and return its warnings.

    Raises InvalidRoutes with all faults; then the old table stays in force.
    """
    found = await check(ctx, document)
    assert isinstance(document, dict)
    await ctx.database.single(lambda c: store.insert(c, document, set_by=by))
    await refresh(ctx)
    return found


async def check(ctx: Context, document: object) -> Sequence[str]:
    """Return the warnings about a table without putting it in force. Raises InvalidRoutes with all faults."""
    table, faults = read_table(document)
    named = {name for rule in table.rules for name in rule.accounts}
    there = await ctx.database.single(lambda c: store.existing_accounts(c, named))
    faults += unknown_names(table, providers=ctx.providers, accounts=there)
    if faults:
        raise InvalidRoutes(faults)
    return warnings(table, _configs(ctx))


async def table_in_force(ctx: Context) -> TableInForce:
    """Return the newest table. Raises Misconfigured if this version cannot read it."""
    found = await ctx.database.single(lambda c: store.newer(c, 0))
    if found is None:
        return TableInForce({}, RouteTable(), None, None)
    return TableInForce(found.document, _read(found), found.set_at, found.set_by)


async def refresh(ctx: Context) -> None:
    """
    Load the table if it has changed since the last call; messages that wait for a provider are due then.

    Raises Unavailable, and Misconfigured for a table that this version cannot
    read; then the old one stays in force in this process.
    """
    routes = ctx.routes
    found = await ctx.database.single(lambda c: store.newer(c, routes.version or 0))
    if found is None:
        routes.version = routes.version or 0
    elif found.id > (routes.version or 0):
        is_another = routes.version is not None
        routes.table, routes.accounts, routes.version = _read(found), found.accounts, found.id
        routes.plans.clear()
        named = {name for rule in routes.table.rules for group in rule.groups for name in group}
        if named - ctx.providers.keys():
            log.warning("routes_name_unknown_providers", providers=sorted(named - ctx.providers.keys()))
        if is_another:  # a message that waits for a provider of its old route may have another now
            for name in ctx.providers:
                await ctx.provider_health.release_waiting(name, now=ctx.now())


async def ensure_table(ctx: Context) -> None:
    """
    Load the table if this process has not yet: Postgres may have been unavailable when it started.

    Raises what `refresh` does.
    """
    if ctx.routes.version is None:
        await refresh(ctx)


def plan_for(
    ctx: Context, account_id: int, number: Msisdn, *, tier: Tier, sender: str | None, is_test: bool
) -> RoutePlan:
    """Return the route of a message; messages with equal properties share one."""
    routes = ctx.routes
    request = RouteRequest(
        number.country,
        number.e164[: routes.table.reach],
        tier,
        sender or "",
        routes.accounts.get(account_id, ""),
        is_test,
    )
    found = routes.plans.get(request)
    if found is None:
        if len(routes.plans) >= _PLANS:
            routes.plans.clear()
        found = routes.plans[request] = plan_route(routes.table, request, _configs(ctx))
    return found


def refusal_for(ctx: Context, account: Account, number: Msisdn, found: RoutePlan) -> RouteRefusal | None:
    """Return the status and reason of a message that is refused at accept; None if it may be sent."""
    countries = account.limits.countries
    if countries is not None and number.country not in expand(countries):
        allowed = join_names(countries) or "none"
        reason = f"the account may not write to {name_country(number.country)}; it may write to {allowed}"
        return RouteRefusal(Status.NO_ROUTE, reason)
    return refusal(found, ctx.provider_states)


def is_simulated(ctx: Context, number: Msisdn) -> bool:
    """Return whether a number belongs to the sandbox; all messages to it are tests."""
    return ctx.settings.simulated_numbers and sandbox_code(number.e164) is not None


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """
    The properties of a message whose route is to be explained.

    Without a sender it is the account's default one; without an account no
    rule for accounts matches.
    """

    number: str
    tier: Tier = Tier.STANDARD
    sender: str | None = None
    account: Account | None = None
    is_test: bool = False


async def steps_for(ctx: Context, question: RouteQuestion) -> Sequence[RouteStep]:
    """Return the steps by which a message would be routed now. Raises Invalid for an invalid phone number."""
    await ensure_table(ctx)
    account = question.account
    country = None if account is None else account.default_country
    policy = NumberPolicy(
        default_country=country,
        national=country is not None,
        lenient=True,
        simulated=ctx.settings.simulated_numbers,
    )
    try:
        number = parse(question.number, policy)
    except InvalidNumber as error:
        raise Invalid(str(error)) from None
    request = RouteRequest(
        number.country,
        number.e164,
        question.tier,
        await _sender(ctx, question) or "",
        "" if account is None else account.name,
        question.is_test or is_simulated(ctx, number),
    )
    return explain_route(ctx.routes.table, request, _configs(ctx), ctx.provider_states)


def route_sentence(ctx: Context, message: MessageView) -> str:
    """Return a sentence on the route of a waiting message, by the current table and provider states."""
    if message.place is None or ctx.routes.version is None or message.parts_taken is not None:
        return ""
    number = Msisdn(message.number, message.country)
    request = RouteRequest(
        number.country, number.e164, message.tier, message.sender or "", message.account, message.is_test
    )
    table = ctx.routes.table
    found = plan_route(table, request, _configs(ctx))
    if (ended := refusal(found, ctx.provider_states)) is not None:
        return f"It has no route now: {ended.reason}."
    index = table.rule_for(request)
    by = "" if index is None else f", by rule {index + 1} of the routes"
    shown = "" if found.sender == request.sender else f" Its sender is shown as {found.sender}."
    providers = rank_providers(found, message.public_id, ctx.provider_states)
    return f"Its route is {', then '.join(providers)}{by}.{shown}"


async def _sender(ctx: Context, question: RouteQuestion) -> str | None:
    if question.sender is not None or question.account is None:
        return question.sender
    terms_request = TermsRequest(question.account.id, question.tier, None, None)
    [terms] = await ctx.database.single(lambda c: accounts.terms(c, [terms_request]))
    return terms.sender


def _configs(ctx: Context) -> Mapping[str, ProviderConfig]:
    return {name: configured.config for name, configured in ctx.providers.items()}


def _read(found: SetTable) -> RouteTable:
    table, faults = read_table(found.document)
    if faults:
        raise Misconfigured(
            f"this version cannot read the routes set by {found.set_by} at {found.set_at:%Y-%m-%d %H:%M} UTC,"
            f" set others: {InvalidRoutes(faults)}"
        )
    return table
