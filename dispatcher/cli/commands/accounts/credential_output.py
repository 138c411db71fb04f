"""Output of credentials: a new one, once and with its secret; existing ones as a list without secrets."""

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


def print_new(subject: str, fields: Mapping[str, str], expires_at: datetime | None) -> None:
    """Print a new credential; a single field stands alone on standard output, for shells."""
    expiry = "never expires" if expires_at is None else f"expires at {format_time(expires_at)} UTC"
    print_note(f"{subject}, {expiry}. Keep it: it cannot be shown again.")
    for field, value in fields.items():
        print_line(value if len(fields) == 1 else f"{field:<10} {value}")


def print_all(found: Sequence[Credential], as_json: bool) -> None:
    """Print credentials without their secrets."""
    if as_json:
        print_json(
            [
                {"for": describe_use(credential.kind, credential.dialect), **asdict(credential)}
                for credential in found
            ]
        )
    else:
        print_table(_COLUMNS, map(_row, found), numbers=("id",))


def _row(credential: Credential) -> Sequence[object]:
    return (
        credential.id,
        describe_use(credential.kind, credential.dialect),
        credential.name,
        credential.hint or None,
        "yes" if credential.is_test else "",
        credential.created_at,
        credential.expires_at,
        credential.revoked_at,
        credential.last_used_at,
    )
