"""What a command runs in: settings, context and event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dispatcher.bootstrap import configure_logging, open_context
from dispatcher.domain.accounts.account import Account
from dispatcher.domain.errors import Invalid, NotFound, Unavailable
from dispatcher.local.environment import load
from dispatcher.service.accounts import accounts
from dispatcher.service.context import Context
from dispatcher.service.health.readiness import require_migrated
from dispatcher.settings import Settings

T = TypeVar("T")


def quiet_settings(data: Path | None) -> Settings:
    """Return the settings of the requested stack, with only critical errors logged. Raises Misconfigured."""
    settings = load(data).model_copy(update={"log_level": "critical"})
    configure_logging(settings)
    return settings


def run_with_context(data: Path | None, action: Callable[[Context], Awaitable[T]]) -> T:
    """Return the result of `action` with the requested stack's context. Raises Misconfigured, Unavailable."""
    settings = quiet_settings(data)

    async def main() -> T:
        async with open_context(settings, name="cli") as ctx:
            await require_migrated(ctx)
            return await action(ctx)

    try:
        return asyncio.run(main())
    except Unavailable as error:
        advice = "is `dispatcher up` running? For details run `dispatcher doctor`"
        raise Unavailable(f"{error}; {advice}") from error


def run_with_account(data: Path | None, name: str, action: Callable[[Context, Account], Awaitable[T]]) -> T:
    """Return the result of `action` with the named account. Raises NotFound, Misconfigured, Unavailable."""

    async def with_account(ctx: Context) -> T:
        return await action(ctx, await accounts.find(ctx, name))

    return run_with_context(data, with_account)


async def find_account(ctx: Context, name: str | None) -> Account:
    """Return the named account; without a name, the only account. Raises NotFound and Invalid."""
    if name is not None:
        return await accounts.find(ctx, name)
    found = await accounts.every(ctx)
    if not found:
        raise NotFound("there is no account yet: create one with `dispatcher account create`")
    if len(found) > 1:
        raise Invalid(f"there are several accounts; choose one with --account: {_names(found)}")
    return found[0]


def _names(found: Sequence[Account]) -> str:
    shown = ", ".join(account.name for account in found[:10])
    return f"{shown}, …" if len(found) > 10 else shown
