"""First run: an account to play with, and DIR/credentials.json, which any program can read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dispatcher.cli.private import write_private
from dispatcher.domain.credential import CredentialKind
from dispatcher.domain.errors import NotAuthenticated, NotFound
from dispatcher.domain.submission import Account
from dispatcher.service import accounts, credentials
from dispatcher.service.context import Context

FILE = "credentials.json"
ACCOUNT = "demo"

_CREDITS = 1_000_000
_COUNTRY = "KE"
_SENDER = "DEMO"
_DIALECT = "scheduler"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a program needs to use the demo account; `file` is where it can read that."""

    file: Path
    token: str
    sender_id: int
    sender: str


async def ensure(ctx: Context, file: Path, urls: Mapping[str, str]) -> Credentials:
    """
    Make the account, its sender and its key, as far as they are not there; write the file.

    A key that still opens the account is kept, and so is whatever else is in
    the file; the URLs are those of this run.
    """
    known = _read(file)
    account = await _account(ctx)
    sender_id, sender = await _sender(ctx, account)
    token = await _token(ctx, account, known)
    scheduler = {"token": token, "senderId": sender_id}
    told = {**urls, "account": account.name, "scheduler": scheduler, "sender": sender}
    write_private(file, json.dumps({**known, **told}, indent=2) + "\n")
    return Credentials(file, token, sender_id, sender)


async def _account(ctx: Context) -> Account:
    try:
        return await accounts.find(ctx, ACCOUNT)
    except NotFound:
        return await accounts.create(ctx, ACCOUNT, credits=_CREDITS, country=_COUNTRY)


async def _sender(ctx: Context, account: Account) -> tuple[int, str]:
    """Give the account's default sender; the first one is made the default when it is added."""
    usable = [sender for sender in await accounts.senders(ctx, account) if sender.disabled_at is None]
    for sender in sorted(usable, key=lambda sender: not sender.is_default):
        return sender.id, sender.name
    return await accounts.add_sender(ctx, account, _SENDER), _SENDER


async def _token(ctx: Context, account: Account, known: Mapping[str, object]) -> str:
    kept = known.get(_DIALECT)
    token = kept.get("token") if isinstance(kept, dict) else None
    if isinstance(token, str) and await _opens(ctx, account, token):
        return token
    return (await credentials.create(ctx, account, CredentialKind.BEARER, dialect=_DIALECT)).secret


async def _opens(ctx: Context, account: Account, token: str) -> bool:
    try:
        caller = await credentials.by_secret(ctx, CredentialKind.BEARER, token, dialect=_DIALECT)
    except NotAuthenticated:
        return False
    return caller.account.id == account.id


def _read(file: Path) -> dict[str, object]:
    """Read what a run before has written; a file that is none of ours to read counts as none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
