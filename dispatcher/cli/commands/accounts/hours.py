"""`dispatcher account hours`, and allowed hours as they are typed: "mon-fri 08:00-20:00"."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from dispatcher.cli.arguments import AccountName, AsJson, Data
from dispatcher.cli.console import print_json, print_table
from dispatcher.cli.session import run_with_account
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid
from dispatcher.domain.hours.allowed_hours import AllowedHours, parse_hours
from dispatcher.domain.tier import Tier
from dispatcher.service.accounts import hours
from dispatcher.service.context import Context

_EXAMPLE = 'write hours like "mon-fri 08:00-20:00; sat 10:00-18:00; holidays 2026-12-25; zone Europe/Paris"'

HoursByTier = Mapping[Tier, AllowedHours]


def account_hours(
    name: AccountName,
    given: Annotated[
        str | None,
        typer.Option(
            "--set", metavar="HOURS", help='Like "mon-fri 08:00-20:00; sat 10:00-18:00", or a .json file.'
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take away its own.")] = False,
    tiers: Annotated[
        list[Tier] | None,
        typer.Option("--tier", help="Of which tier; may be repeated.", show_default="standard and bulk"),
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show in which hours an account's messages may go out; --set or --clear changes them."""
    if given is not None and clear:
        raise Invalid("--set and --clear contradict each other: give one of them")
    wanted = None if given is None else read_hours(given)

    async def story(ctx: Context, account: Account) -> tuple[HoursByTier, HoursByTier]:
        if wanted is not None or clear:
            await hours.set(ctx, account, tiers or hours.DEFAULT_TIERS, wanted)
        return await hours.of_account(ctx, account), await hours.own(ctx, account)

    applied, own = run_with_account(data, name, story)
    shown = tiers if tiers and given is None and not clear else tuple(Tier)
    if as_json:
        print_json({tier: _told(applied.get(tier), tier in own) for tier in shown})
    else:
        rows = [(tier, *_row(applied.get(tier), tier in own)) for tier in shown]
        print_table(("tier", "set by", "hours"), rows)


def read_hours(given: str) -> AllowedHours:
    """
    Return hours from what was typed, or from the .json file that is named.

    Raises Invalid, and OSError for a file that cannot be read.
    """
    if given.endswith(".json"):
        return parse_hours(_from_file(Path(given)))
    value: dict[str, object] = {}
    for part in given.split(";"):
        key, _, rest = part.strip().partition(" ")
        words = [word.strip() for word in rest.split(",")]
        if not key:
            continue
        if not rest or key in value:
            raise Invalid(f"{part.strip()!r} {'comes twice' if key in value else 'says nothing'}: {_EXAMPLE}")
        value[key] = rest.strip() if key == "zone" else words
    return parse_hours(value)


def format_hours(allowed: AllowedHours) -> str:
    """Return hours in the form that `read_hours` reads."""
    written = allowed.as_dict()
    zone = written.pop("zone")
    parts = [
        f"{key} {','.join(words)}" for key, words in written.items() if isinstance(words, list) and words
    ]
    return "; ".join([*parts, f"zone {zone}"] if zone else parts)


def _from_file(file: Path) -> Mapping[str, object]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Invalid(f"{file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Invalid(f'{file} must hold an object like {{"mon-fri": ["08:00-20:00"]}}')
    return value


def _told(applied: AllowedHours | None, is_own: bool) -> dict[str, object] | None:
    return None if applied is None else {"hours": applied.as_dict(), "is_own": is_own}


def _row(applied: AllowedHours | None, is_own: bool) -> Sequence[str]:
    if applied is None:
        return "-", "at any time"
    return "the account" if is_own else "the settings", format_hours(applied)
