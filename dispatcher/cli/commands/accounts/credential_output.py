"""Credentials as the commands print them: a new one once and alone, existing ones as a list."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from dispatcher.cli.console import format_time, print_json, print_line, print_note, print_table
from dispatcher.domain.accounts.account import Account
from dispatcher.local.dialect_credentials import describe_use
from dispatcher.service.accounts import credentials
from dispatcher.service.context import Context
from dispatcher.store.accounts.credentials import Credential

_PAGE = 1000
_COLUMNS = ("id", "for", "name", "begins with", "test", "created", "expires", "revoked", "last used")


async def fetch_all(ctx: Context, account: Account | None) -> list[Credential]:
    """Return all credentials of an account, or of the operators."""
    found: list[Credential] = []
    while page := await credentials.page(ctx, account, after=found[-1].id if found else 0, limit=_PAGE):
        found += page
    return found


def print_new(subject: str, words: Mapping[str, str], expires_at: datetime | None) -> None:
    """Print a new credential; a single secret is alone on standard output, for shells."""
    until = "with no end" if expires_at is None else f"good until {format_time(expires_at)} UTC"
    print_note(f"{subject}, {until}. Keep it: it cannot be shown again.")
    for word, value in words.items():
        print_line(value if len(words) == 1 else f"{word:<10} {value}")


def print_all(found: Sequence[Credential], as_json: bool) -> None:
    """Print credentials without their secrets."""
    if as_json:
        print_json([{"for": describe_use(one.kind, one.dialect), **asdict(one)} for one in found])
    else:
        print_table(_COLUMNS, map(_row, found), numbers=("id",))


def _row(one: Credential) -> Sequence[object]:
    return (
        one.id,
        describe_use(one.kind, one.dialect),
        one.name,
        one.hint or None,
        "yes" if one.is_test else "",
        one.created_at,
        one.expires_at,
        one.revoked_at,
        one.last_used_at,
    )
