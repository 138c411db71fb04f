"""First run: an account to play with, and DIR/credentials.json, which any program can read."""

import json
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dispatcher.domain.accounts.account import Account, AccountLimits, Caller
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.errors import AlreadyExists, NotAuthenticated, NotFound
from dispatcher.local.dialect_credentials import (
    CREDENTIALS,
    CredentialUse,
    DialectCredential,
    credential_fields,
)
from dispatcher.local.private_file import write_private
from dispatcher.service.accounts import accounts, credentials
from dispatcher.service.context import Context

T = TypeVar("T")

FILE = "credentials.json"
ACCOUNT = "demo"

_CREDITS = 1_000_000
_COUNTRY = "KE"
_LIMITS = AccountLimits(rate=6000)
_SENDER = "DEMO"
_OPERATOR = "admin"

Known = Mapping[str, object]
"""What an earlier run has written: all of it, or one section."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a program needs to use the demo account; `file` is where it can read that and more."""

    file: Path
    token: str
    sender_id: int
    sender: str


async def ensure(ctx: Context, file: Path, urls: Mapping[str, str]) -> Credentials:
    """
    Make the account, its sender and a key for each door, as far as they are not there; write the file.

    A credential that still opens its door is kept, and so is whatever else
    is in the file; the URLs are those of this run.
    """
    known = _read(file)
    account = await _account(ctx)
    sender_id, sender = await _sender(ctx, account)
    doors: dict[str, dict[str, object]] = {}
    for door, lock in CREDENTIALS.items():
        section = doors.setdefault(lock.dialect, {})
        section.update(await _key(ctx, account, door, _section(known, lock.dialect)))
    doors["scheduler"]["senderId"] = sender_id
    operators = {
        "manage": await _manage(ctx, _section(known, "manage")),
        "console": await _console(ctx, _section(known, "console")),
    }
    told = {**urls, "account": account.name, **doors, "sender": sender, **operators}
    others = {name: value for name, value in known.items() if name not in told}
    write_private(file, json.dumps({**told, **others}, indent=2) + "\n")
    return Credentials(file, str(doors["scheduler"]["token"]), sender_id, sender)


async def _account(ctx: Context) -> Account:
    try:
        return await accounts.find(ctx, ACCOUNT)
    except NotFound:
        made = await accounts.create(ctx, ACCOUNT, credits=_CREDITS, country=_COUNTRY)
        return await accounts.set_limits(ctx, made, _LIMITS)


async def _sender(ctx: Context, account: Account) -> tuple[int, str]:
    """Give the account's default sender; the first one is made the default when it is added."""
    usable = [sender for sender in await accounts.senders(ctx, account) if sender.disabled_at is None]
    for sender in sorted(usable, key=lambda sender: not sender.is_default):
        return sender.id, sender.name
    return await accounts.add_sender(ctx, account, _SENDER), _SENDER


async def _key(ctx: Context, account: Account, door: CredentialUse, known: Known) -> Mapping[str, str]:
    """Give what opens a door for the account: what is known if it does, else a new key."""
    lock = CREDENTIALS[door]
    kept = _texts(known, lock.words)
    if kept is not None:
        caller = await _whose(_by_key(ctx, lock, *kept.values()))
        if caller is not None and caller.account.id == account.id:
            return kept
    return credential_fields(door, await credentials.create(ctx, account, lock.kind, dialect=lock.dialect))


def _by_key(ctx: Context, lock: DialectCredential, *parts: str) -> Awaitable[Caller]:
    if lock.kind.has_name:
        name, secret = parts
        return credentials.by_pair(ctx, lock.kind, name, secret, dialect=lock.dialect)
    return credentials.by_secret(ctx, lock.kind, *parts, dialect=lock.dialect)


async def _manage(ctx: Context, known: Known) -> Mapping[str, str]:
    kept = _texts(known, ("token",))
    if kept and await _whose(credentials.operator_by_token(ctx, kept["token"])) is not None:
        return kept
    made = await credentials.create(ctx, None, CredentialKind.BEARER, dialect=credentials.MANAGE)
    return {"token": made.secret}


async def _console(ctx: Context, known: Known) -> Mapping[str, str]:
    kept = _texts(known, ("username", "password"))
    if kept and await _whose(credentials.operator_by_password(ctx, *kept.values())) is not None:
        return kept
    name, password = _OPERATOR, secrets.token_urlsafe(18)
    try:
        await credentials.create_operator(ctx, name, password)
    except AlreadyExists:  # with a password that nobody can tell us
        name = f"{_OPERATOR}-{secrets.token_hex(4)}"
        await credentials.create_operator(ctx, name, password)
    return {"username": name, "password": password}


async def _whose(authentication: Awaitable[T]) -> T | None:
    """Give who is behind a credential, or None for one that opens nothing any more."""
    try:
        return await authentication
    except NotAuthenticated:
        return None


def _texts(known: Known, words: Sequence[str]) -> dict[str, str] | None:
    """Give these entries in this order, or None if one of them is not there or no text."""
    found = {word: value for word in words if isinstance(value := known.get(word), str)}
    return found if len(found) == len(words) else None


def _section(known: Known, name: str) -> Known:
    section = known.get(name)
    return section if isinstance(section, dict) else {}


def _read(file: Path) -> Known:
    """Read what a run before has written; a file that is none of ours to read counts as none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
