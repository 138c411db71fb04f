"""SMS Gateway's own Python client, unchanged, against the API on a real socket."""

import asyncio
from collections.abc import Iterator

import pytest
from android_sms_gateway import client, domain
from android_sms_gateway.enums import ProcessState, WebhookEvent
from pydantic import SecretStr

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.sandbox.provider_options import http_options
from dispatcher.service.accounts import accounts, credentials
from dispatcher.service.accounts.credentials import NewKey
from dispatcher.settings import ProviderSettings, Settings
from tests.api.server import running_api

NUMBER = "+254712345678"


@pytest.fixture
def gateway(settings: Settings) -> Iterator[client.APIClient]:
    """Return a client with an account's login."""
    options = http_options("http://127.0.0.1:1", receipt_url="http://127.0.0.1:1/", receipt_secret="x" * 16)
    provider = ProviderSettings(name="sim", plugin="http", options=options)
    settings = settings.model_copy(update={"providers": (provider,), "jwt_secret": SecretStr("x" * 40)})
    login = asyncio.run(_login(settings))
    with (
        running_api(settings) as url,
        client.APIClient(str(login.name), login.secret, base_url=f"{url}/api/3rdparty/v1") as open_client,
    ):
        yield open_client


async def _login(settings: Settings) -> NewKey:
    async with open_context(settings, name="test") as ctx:
        account = await accounts.create(ctx, "shop", credits=100, country="KE")
        await accounts.add_sender(ctx, account, "SHOP")
        return await credentials.create(ctx, account, CredentialKind.LOGIN, dialect="smsgate")


def test_it_sends_reads_lists_and_cancels(gateway: client.APIClient) -> None:
    message = domain.Message(phone_numbers=[NUMBER], text_message=domain.TextMessage(text="Hello"))
    sent = gateway.send(message)
    assert sent.state is ProcessState.Pending
    assert gateway.get_state(sent.id).recipients[0].phone_number == NUMBER
    assert [state.id for state in gateway.get_messages()] == [sent.id]
    gateway.cancel_message(sent.id)
    assert gateway.get_state(sent.id).recipients[0].state is not ProcessState.Pending


def test_it_registers_lists_and_deletes_webhooks(gateway: client.APIClient) -> None:
    wanted = domain.Webhook(id=None, url="https://shop.example/hook", event=WebhookEvent.SMS_DELIVERED)
    made = gateway.create_webhook(wanted)
    assert made.id is not None
    assert [webhook.id for webhook in gateway.get_webhooks()] == [made.id]
    gateway.delete_webhook(made.id)
    assert gateway.get_webhooks() == []


def test_it_gets_refreshes_and_revokes_tokens(gateway: client.APIClient) -> None:
    request = domain.TokenRequest(scopes=["messages:send", "messages:read"], ttl=600)
    token = gateway.generate_token(request)
    fresh = gateway.refresh_token(token.refresh_token)
    assert fresh.access_token != token.access_token
    gateway.revoke_token(fresh.id)


def test_it_sees_a_device_and_that_we_are_well(gateway: client.APIClient) -> None:
    assert len(gateway.list_devices()) == 1
    assert gateway.health_check().status.value == "warn"  # there are no workers
