"""`dispatcher account`: accounts, their limits and their credits."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, AsJson, Before, Data, Limit
from dispatcher.cli.commands.accounts.hours import account_hours
from dispatcher.cli.console import print_json, print_line, print_table
from dispatcher.cli.session import run_with_account, run_with_context
from dispatcher.cli.times import read_duration
from dispatcher.cli.values import read_whole_number, updated
from dispatcher.domain.accounts.account import Account, AccountLimits
from dispatcher.domain.errors import Invalid
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import accounts, callback_secrets
from dispatcher.service.accounts.callback_secrets import CallbackSecrets
from dispatcher.service.context import Context
from dispatcher.store.accounts.senders import Sender


def register(app: typer.Typer) -> None:
    """Register the commands."""
    account = typer.Typer(help="Accounts, their credits and limits.", no_args_is_help=True)
    account.command("create")(create)
    account.command("topup")(top_up)
    account.command("limit")(limit)
    account.command("hours")(account_hours)
    account.command("pause")(pause)
    account.command("resume")(resume)
    account.command("list")(list_accounts)
    account.command("show")(show)
    account.command("statement")(statement)
    account.command("rotate-secret")(rotate_secret)
    app.add_typer(account, name="account")


def create(
    name: Annotated[str, typer.Argument(help="The new account's name.", show_default=False)],
    credits: Annotated[int, typer.Option(help="Its opening balance; a segment costs one by default.")] = 0,
    country: Annotated[
        str | None, typer.Option(metavar="CC", help="Default country of its national numbers.")
    ] = None,
    timezone: Annotated[
        str, typer.Option(metavar="TZ", help="Time zone of times without an offset.")
    ] = "UTC",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Create an account."""
    created = run_with_context(
        data, lambda ctx: accounts.create(ctx, name, credits=credits, country=country, timezone=timezone)
    )
    _print(created, as_json)


def top_up(
    name: AccountName,
    amount: Annotated[int, typer.Argument(help="How many credits to add.", show_default=False)],
    reason: Annotated[str, typer.Option("--note", help="The reason, for the ledger.")] = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Add credits to an account."""
    balance = run_with_account(
        data, name, lambda ctx, account: accounts.top_up(ctx, account, amount, note=reason)
    )
    if as_json:
        print_json({"name": name, "balance": balance})
    else:
        print_line(f"{name} has {balance:,} credits now")


def limit(
    name: AccountName,
    rate: Annotated[
        str | None, typer.Option(metavar="N", help="Requests per minute in each dialect.")
    ] = None,
    daily: Annotated[str | None, typer.Option(metavar="N", help="Messages per UTC day.")] = None,
    tier: Annotated[
        str | None, typer.Option(metavar="TIER", help="The highest tier: critical, standard or bulk.")
    ] = None,
    countries: Annotated[
        str | None, typer.Option(metavar="CC,CC", help="The only countries it may send to.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Set the limits of an account. Limits that are not named stay; the word `none` lifts one."""
    if (rate, daily, tier, countries) == (None,) * 4:
        raise Invalid("nothing to change: give --rate, --daily, --tier or --countries")

    async def work(ctx: Context, account: Account) -> Account:
        current = account.limits
        limits = AccountLimits(
            rate=updated(current.rate, rate, partial(read_whole_number, "--rate")),
            daily=updated(current.daily, daily, partial(read_whole_number, "--daily")),
            tier=updated(current.tier, tier, _tier),
            countries=updated(current.countries, countries, _countries),
        )
        return await accounts.set_limits(ctx, account, limits)

    _print(run_with_account(data, name, work), as_json)


def pause(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """Refuse further submissions of an account. Messages that were accepted are still sent."""
    _print(run_with_account(data, name, accounts.pause), as_json)


def resume(name: AccountName, as_json: AsJson = False, data: Data = None) -> None:
    """Accept submissions of a paused account again."""
    _print(run_with_account(data, name, partial(accounts.pause, paused=False)), as_json)


def list_accounts(as_json: AsJson = False, data: Data = None) -> None:
    """List all accounts."""
    found = run_with_context(data, accounts.every)
    if as_json:
        print_json([asdict(account) for account in found])
    else:
        rows = [
            (a.id, a.name, a.balance, a.default_country, a.timezone, "yes" if a.paused else "") for a in found
        ]
        columns = ("id", "name", "credits", "country", "time zone", "paused")
        print_table(columns, rows, numbers=("id", "credits"))


def show(
    name: AccountName,
    secret: Annotated[
        bool, typer.Option("--secret", help="Also show the secret that signs its callbacks.")
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show an account with its limits and senders."""

    async def work(ctx: Context, account: Account) -> tuple[Account, list[Sender], CallbackSecrets | None]:
        secrets = await callback_secrets.find(ctx, account) if secret else None
        return account, await accounts.list_senders(ctx, account), secrets

    account, senders, secrets = run_with_account(data, name, work)
    _print(account, as_json, senders=senders, secrets=secrets)


def rotate_secret(
    name: AccountName,
    overlap: Annotated[
        str,
        typer.Option(metavar="TIME", help="How long the present secret signs too; 0s if it is known."),
    ] = "24h",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make a new secret that signs an account's callbacks. For a time, each has two signatures."""
    length = read_duration(overlap, option="--overlap")
    made = run_with_account(
        data, name, lambda ctx, account: callback_secrets.rotate(ctx, account, overlap=length)
    )
    if as_json:
        print_json(_secret_fields(made))
    else:
        _print_secrets(made)


def statement(
    name: AccountName, limit: Limit = 100, before: Before = None, as_json: AsJson = False, data: Data = None
) -> None:
    """List the changes of an account's credits, the newest first."""
    entries = run_with_account(
        data, name, lambda ctx, account: accounts.statement(ctx, account, before=before, limit=limit)
    )
    if as_json:
        print_json([asdict(entry) for entry in entries])
    else:
        rows = [
            (str(e.id), e.at, e.kind, e.amount, _cause(e.batch_id, e.message_id), e.note) for e in entries
        ]
        columns = ("id", "at (UTC)", "what", "credits", "of", "note")
        print_table(columns, rows, numbers=("id", "credits"))


def _cause(batch_id: int | None, message_id: int | None) -> str:
    if message_id is not None:
        return f"message {message_id}"
    return "-" if batch_id is None else f"batch {batch_id}"


def _tier(typed: str) -> Tier:
    try:
        return Tier(typed)
    except ValueError:
        raise Invalid(
            f"--tier {typed!r} is not a tier: give {', '.join(Tier)}, or none to lift the limit"
        ) from None


def _countries(typed: str) -> frozenset[str]:
    return frozenset(country.strip() for country in typed.split(","))


def _print(
    account: Account,
    as_json: bool,
    *,
    senders: Sequence[Sender] = (),
    secrets: CallbackSecrets | None = None,
) -> None:
    if as_json:
        extra = {} if secrets is None else _secret_fields(secrets)
        print_json({**asdict(account), **extra, "senders": [asdict(sender) for sender in senders]})
        return
    country = account.default_country or "no default country"
    print_line(f"{account.name}: {account.balance:,} credits, {country}, times in {account.timezone}")
    if account.paused:
        print_line("  paused: its submissions are refused")
    if limits := _limits(account.limits):
        print_line(f"  limits: {limits}")
    if secrets is not None:
        _print_secrets(secrets, indent="  ")
    for sender in senders:
        state = "disabled" if sender.disabled_at else "default" if sender.is_default else ""
        print_line(f"  sender {sender.id}: {sender.name} {state}".rstrip())


def _secret_fields(secrets: CallbackSecrets) -> dict[str, object]:
    return {
        "callback_secret": secrets.current,
        "previous_callback_secret": secrets.previous,
        "previous_secret_until": secrets.previous_until,
    }


def _print_secrets(secrets: CallbackSecrets, *, indent: str = "") -> None:
    print_line(f"{indent}callbacks are signed with {secrets.current}")
    if secrets.previous_until is not None:
        print_line(f"{indent}and with {secrets.previous} until {secrets.previous_until:%Y-%m-%d %H:%M} UTC")


def _limits(limits: AccountLimits) -> str:
    parts = []
    if limits.rate is not None:
        parts.append(f"{limits.rate:,} requests per minute")
    if limits.daily is not None:
        parts.append(f"{limits.daily:,} messages per day")
    if limits.tier is not None:
        parts.append(f"no tier above {limits.tier}")
    if limits.countries is not None:
        parts.append(f"only to {', '.join(sorted(limits.countries))}")
    return "; ".join(parts)
