"""One instance of this product sends through another: the `smsgate` plug-in against this dialect."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Outcome,
    Outgoing,
    ProviderConfig,
    ReceiptReport,
    Rejected,
)
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from dispatcher.providers.smsgate import SmsGate
from dispatcher.sandbox.provider_options import http_options
from dispatcher.service.accounts import accounts, credentials
from dispatcher.settings import ProviderSettings, Settings
from tests.api.server import running_api

REFERENCE = "0190a1c4-0000-7000-8000-000000000001"
Use = Callable[[Callable[[SmsGate], Awaitable[None]]], None]


@pytest.fixture
def use(settings: Settings) -> Iterator[Use]:
    """Let a test use the plug-in, opened with a login of a fresh account."""
    options = http_options("http://127.0.0.1:1", receipt_url="http://127.0.0.1:1/", receipt_secret="x" * 16)
    network = ProviderSettings(name="sim", plugin="http", options=options)
    settings = settings.model_copy(update={"providers": (network,)})
    name, secret = asyncio.run(_login(settings))
    with running_api(settings) as url:
        base = f"{url}/api/3rdparty/v1"
        config = ProviderConfig(
            "phone", "smsgate", {"url": base, "username": name, "password": secret, "sim_number": 1}
        )

        def use(work: Callable[[SmsGate], Awaitable[None]]) -> None:
            asyncio.run(_open(config, work))

        yield use


async def _open(config: ProviderConfig, work: Callable[[SmsGate], Awaitable[None]]) -> None:
    plugin = SmsGate(config)
    try:
        await work(plugin)
    finally:
        await plugin.close()


async def _login(settings: Settings) -> tuple[str, str]:
    async with open_context(settings, name="test") as ctx:
        account = await accounts.create(ctx, "shop", credits=2, country="KE")
        await accounts.add_sender(ctx, account, "SHOP")
        key = await credentials.create(ctx, account, CredentialKind.LOGIN, dialect="smsgate")
        return str(key.name), key.secret


def a_message(*, to: str = "+254712345678") -> Outgoing:
    return Outgoing(
        reference=REFERENCE,
        to=to,
        sender="ACME",
        text="Hello",
        segments=1,
        tier=Tier.CRITICAL,
        attempt=1,
        not_after=datetime.now(UTC) + timedelta(minutes=10),
    )


async def send(plugin: SmsGate, message: Outgoing) -> Outcome:
    (outcome,) = await plugin.send([message], lambda: True)
    return outcome


def test_a_message_is_accepted_under_our_reference_however_often_it_is_sent(use: Use) -> None:
    async def work(plugin: SmsGate) -> None:
        assert await send(plugin, a_message()) == Accepted((REFERENCE,))
        assert await send(plugin, replace(a_message(), attempt=2)) == Accepted((REFERENCE,))

    use(work)


def test_the_state_can_be_queried(use: Use) -> None:
    async def work(plugin: SmsGate) -> None:
        await send(plugin, a_message())
        reports = await plugin.poll([REFERENCE, "0190a1c4-0000-7000-8000-000000000002"])
        assert reports == [ReceiptReport(REFERENCE, REFERENCE, None, "Pending")]

    use(work)


def test_an_invalid_number_is_refused_for_good(use: Use) -> None:
    async def work(plugin: SmsGate) -> None:
        outcome = await send(plugin, a_message(to="+2547"))
        assert outcome == Rejected(Status.INVALID_NUMBER, "HTTP 400: invalid phone number")

    use(work)


def test_a_message_that_the_account_cannot_pay_is_deferred(use: Use) -> None:
    async def work(plugin: SmsGate) -> None:
        three_segments = replace(a_message(), text="x" * 400)
        assert await send(plugin, three_segments) == Deferred("HTTP 402", of_account=True)

    use(work)
