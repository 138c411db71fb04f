"""`dispatcher route`: sets, checks and shows the table of routes, and applies it to one number."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AsJson, Data
from dispatcher.cli.console import format_time, print_json, print_line, print_note, print_table
from dispatcher.cli.session import run_with_context
from dispatcher.cli.values import read_json_object
from dispatcher.domain.routing.route_steps import RouteStep, format_groups
from dispatcher.domain.routing.route_table import Preference, RouteRule
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.routing import routes
from dispatcher.service.routing.routes import RouteQuestion, TableInForce

_BY = "the command line"
_EXAMPLE = '{"rules": [{"ways": [["alpha"]]}]}'

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="The table as JSON; see docs/routes.md.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    route = typer.Typer(help="Which providers carry which messages.", no_args_is_help=True)
    route.command("set")(set_table)
    route.command("check")(check)
    route.command("show")(show)
    app.add_typer(route, name="route")


def set_table(file: File, as_json: AsJson = False, data: Data = None) -> None:
    """Put a table in force, in all processes within about a second; {} removes it."""
    document = read_json_object(file, example=_EXAMPLE)
    _print_result(
        run_with_context(data, lambda ctx: routes.set_table(ctx, document, by=_BY)),
        "the routes are set",
        as_json,
    )


def check(file: File, as_json: AsJson = False, data: Data = None) -> None:
    """Report all faults of a table, and warn of likely mistakes; change nothing."""
    document = read_json_object(file, example=_EXAMPLE)
    _print_result(
        run_with_context(data, lambda ctx: routes.check(ctx, document)), "the routes can be set", as_json
    )


def show(
    number: Annotated[
        str | None,
        typer.Argument(
            metavar="NUMBER", help="Show how the route of this number is chosen.", show_default=False
        ),
    ] = None,
    tier: Annotated[Tier, typer.Option(help="For a message of this tier.")] = Tier.STANDARD,
    sender: Annotated[
        str | None, typer.Option(help="For this sender. Default: the account's default sender.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="For this account.")] = None,
    test: Annotated[bool, typer.Option("--test", help="For a message of test credentials.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show the table in force; with a number, show step by step how a message to it would be routed now."""
    if number is None:
        _show_table(run_with_context(data, routes.table_in_force), as_json)
        return
    recipient = number

    async def work(ctx: Context) -> Sequence[RouteStep]:
        owner = None if account is None else await accounts.find(ctx, account)
        return await routes.steps_for(ctx, RouteQuestion(recipient, tier, sender, owner, is_test=test))

    found = run_with_context(data, work)
    if as_json:
        print_json([step._asdict() for step in found])
    else:
        width = max(len(step.about) for step in found)
        for step in found:
            print_line(f"{step.about:<{width}}  {step.found}")


def _show_table(found: TableInForce, as_json: bool) -> None:
    if as_json:
        print_json({"document": found.document, "set_at": found.set_at, "set_by": found.set_by})
        return
    if found.set_by is None:
        print_line("no routes are set: messages go to the providers that serve their country, as configured")
        return
    print_line(f"set at {format_time(found.set_at)} UTC by {found.set_by}")
    rows = [(number, _conditions(rule), _ways(rule)) for number, rule in enumerate(found.table.rules, 1)]
    if rows:
        print_table(("rule", "for", "ways"), rows, numbers=("rule",))
    for country, rule in sorted(found.table.senders.items()):
        names = f": {', '.join(sorted(rule.registered))}" if rule.registered else ""
        instead = f"; {rule.replace_with} replaces others" if rule.replace_with else ""
        print_line(f"senders in {country}: names are {rule.alphanumeric}{names}{instead}")


def _conditions(rule: RouteRule) -> str:
    return (
        "; ".join(f"{name} {', '.join(sorted(wanted))}" for name, wanted in rule.conditions.items()) or "all"
    )


def _ways(rule: RouteRule) -> str:
    if rule.preference is Preference.CHEAPEST:
        return ", then ".join(f"the cheapest of {', '.join(group)}" for group in rule.groups) or "no route"
    return format_groups(rule.groups) or "no route"


def _print_result(warnings: Sequence[str], done: str, as_json: bool) -> None:
    if as_json:
        print_json({"warnings": warnings})
        return
    for warning in warnings:
        print_note(f"warning: {warning}")
    print_line(done)
