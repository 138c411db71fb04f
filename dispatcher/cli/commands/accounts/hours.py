"""`dispatcher account hours`, and the text form of allowed hours: "mon-fri 08:00-20:00"."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, AsJson, Data
from dispatcher.cli.console import print_json, print_table
from dispatcher.cli.session import run_with_account
from dispatcher.cli.values import read_json_object
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.allowed_hours import AllowedHours, parse_hours
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import hours
from dispatcher.service.context import Context

_EXAMPLE = 'write hours like "mon-fri 08:00-20:00; sat 10:00-18:00; holidays 2026-12-25; zone Europe/Paris"'
_FILE_EXAMPLE = '{"mon-fri": ["08:00-20:00"]}'

HoursByTier = Mapping[Tier, AllowedHours]


def account_hours(
    name: AccountName,
    typed: Annotated[
        str | None,
        typer.Option(
            "--set", metavar="HOURS", help='Like "mon-fri 08:00-20:00; sat 10:00-18:00", or a .json file.'
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the account's own hours.")] = False,
    tiers: Annotated[
        list[Tier] | None,
        typer.Option("--tier", help="The tier; may be repeated.", show_default="standard and bulk"),
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show the hours in which an account's messages may be sent; --set or --clear changes them."""
    if typed is not None and clear:
        raise Invalid("--set and --clear contradict each other: give one of them")
    new = None if typed is None else read_hours(typed)

    async def work(ctx: Context, account: Account) -> tuple[HoursByTier, HoursByTier]:
        if new is not None or clear:
            await hours.set(ctx, account, tiers or hours.DEFAULT_TIERS, new)
        return await hours.of_account(ctx, account), await hours.own(ctx, account)

    applied, own = run_with_account(data, name, work)
    shown = tiers if tiers and typed is None and not clear else tuple(Tier)
    if as_json:
        print_json({tier: _hours_json(applied.get(tier), tier in own) for tier in shown})
    else:
        rows = [(tier, *_row(applied.get(tier), tier in own)) for tier in shown]
        print_table(("tier", "set by", "hours"), rows)


def read_hours(typed: str) -> AllowedHours:
    """
    Return hours from their text form, or from a .json file of this name.

    Raises Invalid, and OSError for a file that cannot be read.
    """
    if typed.endswith(".json"):
        return parse_hours(read_json_object(Path(typed), example=_FILE_EXAMPLE))
    value: dict[str, object] = {}
    for part in typed.split(";"):
        key, _, rest = part.strip().partition(" ")
        items = [word.strip() for word in rest.split(",")]
        if not key:
            continue
        if not rest or key in value:
            raise Invalid(f"{part.strip()!r} {'comes twice' if key in value else 'has no hours'}: {_EXAMPLE}")
        value[key] = rest.strip() if key == "zone" else items
    return parse_hours(value)


def format_hours(allowed: AllowedHours) -> str:
    """Return hours in the text form that `read_hours` reads."""
    written = allowed.as_dict()
    zone = written.pop("zone")
    parts = [
        f"{key} {','.join(items)}" for key, items in written.items() if isinstance(items, list) and items
    ]
    return "; ".join([*parts, f"zone {zone}"] if zone else parts)


def _hours_json(applied: AllowedHours | None, is_own: bool) -> dict[str, object] | None:
    return None if applied is None else {"hours": applied.as_dict(), "is_own": is_own}


def _row(applied: AllowedHours | None, is_own: bool) -> Sequence[str]:
    if applied is None:
        return "-", "at any time"
    return "the account" if is_own else "the settings", format_hours(applied)
