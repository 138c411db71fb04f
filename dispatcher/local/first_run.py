"""The first run of a stack: creates a demo account, and DIR/credentials.json for any program to read."""

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
from dispatcher.service.accounts import accounts, credentials, operators
from dispatcher.service.context import Context

T = TypeVar("T")

FILE = "credentials.json"
ACCOUNT = "demo"

_CREDITS = 1_000_000
_COUNTRY = "KE"
_LIMITS = AccountLimits(rate=6000)
_SENDER = "DEMO"
_OPERATOR = "admin"

SavedValues = Mapping[str, object]
"""What an earlier run has written: the whole file, or one section."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a program needs to use the demo account; `file` has that and more."""

    file: Path
    token: str
    sender_id: int
    sender: str


async def ensure(ctx: Context, file: Path, urls: Mapping[str, str]) -> Credentials:
    """
    Create the account, its sender and a key for each use, if they are missing; write the file.

    A credential that still authenticates is kept, and so is everything else
    in the file; the URLs are those of this run.
    """
    saved = _read(file)
    account = await _account(ctx)
    sender_id, sender = await _sender(ctx, account)
    sections: dict[str, dict[str, object]] = {}
    for use, credential in CREDENTIALS.items():
        section = sections.setdefault(credential.dialect, {})
        section.update(await _key(ctx, account, use, _section(saved, credential.dialect)))
    sections["scheduler"]["senderId"] = sender_id
    operator_sections = {
        "manage": await _manage(ctx, _section(saved, "manage")),
        "console": await _console(ctx, _section(saved, "console")),
    }
    content = {**urls, "account": account.name, **sections, "sender": sender, **operator_sections}
    others = {name: value for name, value in saved.items() if name not in content}
    write_private(file, json.dumps({**content, **others}, indent=2) + "\n")
    return Credentials(file, str(sections["scheduler"]["token"]), sender_id, sender)


async def _account(ctx: Context) -> Account:
    try:
        return await accounts.find(ctx, ACCOUNT)
    except NotFound:
        created = await accounts.create(ctx, ACCOUNT, credits=_CREDITS, country=_COUNTRY)
        return await accounts.set_limits(ctx, created, _LIMITS)


async def _sender(ctx: Context, account: Account) -> tuple[int, str]:
    """Return the id and name of the account's default sender, after adding one if it has none."""
    usable = [sender for sender in await accounts.list_senders(ctx, account) if sender.disabled_at is None]
    for sender in sorted(usable, key=lambda sender: not sender.is_default):
        return sender.id, sender.name
    return await accounts.add_sender(ctx, account, _SENDER), _SENDER


async def _key(ctx: Context, account: Account, use: CredentialUse, saved: SavedValues) -> Mapping[str, str]:
    """Return a key of the account for a use: the saved one if it authenticates, else a new one."""
    credential = CREDENTIALS[use]
    kept = _texts(saved, credential.field_names)
    if kept is not None:
        caller = await _authenticated(_authenticate(ctx, credential, *kept.values()))
        if caller is not None and caller.account.id == account.id:
            return kept
    return credential_fields(
        use, await credentials.create(ctx, account, credential.kind, dialect=credential.dialect)
    )


def _authenticate(ctx: Context, credential: DialectCredential, *parts: str) -> Awaitable[Caller]:
    if credential.kind.has_name:
        name, secret = parts
        return credentials.by_pair(ctx, credential.kind, name, secret, dialect=credential.dialect)
    return credentials.by_secret(ctx, credential.kind, *parts, dialect=credential.dialect)


async def _manage(ctx: Context, saved: SavedValues) -> Mapping[str, str]:
    kept = _texts(saved, ("token",))
    if kept and await _authenticated(operators.by_token(ctx, kept["token"])) is not None:
        return kept
    created = await credentials.create(ctx, None, CredentialKind.BEARER, dialect=credentials.MANAGE)
    return {"token": created.secret}


async def _console(ctx: Context, saved: SavedValues) -> Mapping[str, str]:
    kept = _texts(saved, ("username", "password"))
    if kept and await _authenticated(operators.by_password(ctx, *kept.values())) is not None:
        return kept
    name, password = _OPERATOR, secrets.token_urlsafe(18)
    try:
        await operators.create(ctx, name, password)
    except AlreadyExists:  # with a password that is unknown here
        name = f"{_OPERATOR}-{secrets.token_hex(4)}"
        await operators.create(ctx, name, password)
    return {"username": name, "password": password}


async def _authenticated(authentication: Awaitable[T]) -> T | None:
    """Return the result of an authentication; None if it fails."""
    try:
        return await authentication
    except NotAuthenticated:
        return None


def _texts(saved: SavedValues, names: Sequence[str]) -> dict[str, str] | None:
    """Return these entries in this order; None if one of them is missing or not a string."""
    found = {name: value for name in names if isinstance(value := saved.get(name), str)}
    return found if len(found) == len(names) else None


def _section(saved: SavedValues, name: str) -> SavedValues:
    section = saved.get(name)
    return section if isinstance(section, dict) else {}


def _read(file: Path) -> SavedValues:
    """Return what an earlier run has written; empty if the file is missing or is not a JSON object."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
