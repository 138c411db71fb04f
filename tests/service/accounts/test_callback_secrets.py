"""The secret that signs callbacks rotates: for a stated time each callback has two signatures."""

import json
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from dispatcher.bootstrap import open_callback_sender
from dispatcher.callbacks.signatures import timestamped
from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.callbacks.events import MessageEvent
from dispatcher.domain.errors import Conflict, Invalid
from dispatcher.service.accounts import callback_secrets
from dispatcher.service.accounts.callback_secrets import CallbackSecrets
from dispatcher.service.callbacks.sender import CallbackSender, FormattedCallback, Signature
from tests.service.callbacks.callback_sending import send_due
from tests.world import World

URL = "https://shop.example/sms"
DAY = timedelta(days=1)


class Receiver:
    """A poster that keeps the last call."""

    last: CallbackRequest

    async def post(self, call: CallbackRequest) -> CallbackReply:
        self.last = call
        return CallbackReply(200, "HTTP 200")

    async def close(self) -> None:
        pass


async def signed(world: World, signature: Signature) -> CallbackRequest:
    """Send one callback, with the signers of the product, and return it as it was received."""

    def formatted(_: MessageEvent) -> FormattedCallback:
        return FormattedCallback({"a": 1}, signature)

    product, poster = open_callback_sender(world.ctx, {}, {})
    await poster.close()
    receiver = Receiver()
    sender = CallbackSender(world.ctx, receiver, formatters={"test": formatted}, signers=product._signers)
    await world.submit(callback_url=URL)
    await send_due(sender)
    return receiver.last


def verifies(secret: str, call: CallbackRequest) -> bool:
    """Return whether the library of Standard Webhooks accepts the call, with its own clock."""
    try:
        assert Webhook(secret).verify(call.body, dict(call.headers)) == json.loads(call.body)
    except WebhookVerificationError:
        return False
    return True


async def rotate(world: World, overlap: timedelta) -> CallbackSecrets:
    return await callback_secrets.rotate(world.ctx, world.caller.account, overlap=overlap)


async def find(world: World) -> CallbackSecrets:
    return await callback_secrets.find(world.ctx, world.caller.account)


def test_either_secret_verifies_a_standard_webhook_until_the_previous_one_ends(world: World) -> None:
    async def story() -> None:
        old = (await find(world)).current
        began = world.time.now()
        world.time.at -= timedelta(seconds=60)  # so that the library, which allows 5 minutes, knows the time
        made = await rotate(world, timedelta(seconds=60))
        assert (made.previous, made.previous_until) == (old, began)
        assert made.current.startswith("whsec_")
        assert made.current != old
        call = await signed(world, Signature.STANDARD_WEBHOOKS)
        assert call.headers["webhook-signature"].count("v1,") == 2
        assert verifies(old, call)
        assert verifies(made.current, call)
        world.time.at = began
        call = await signed(world, Signature.STANDARD_WEBHOOKS)
        assert call.headers["webhook-signature"].count("v1,") == 1
        assert not verifies(old, call)
        assert verifies(made.current, call)
        assert await find(world) == CallbackSecrets(made.current)

    world.run(story)


def test_the_one_signature_of_sms_gateway_changes_when_the_previous_secret_ends(world: World) -> None:
    def headers(secret: str, call: CallbackRequest) -> str:
        return timestamped(secret, at=world.time.now(), body=call.body)["X-Signature"]

    async def story() -> None:
        old = (await find(world)).current
        new = (await rotate(world, DAY)).current
        call = await signed(world, Signature.TIMESTAMPED)
        assert call.headers["X-Signature"] == headers(old, call)
        assert call.headers["X-Signature-Next"] == headers(new, call)
        world.time.advance(DAY)
        call = await signed(world, Signature.TIMESTAMPED)
        assert call.headers["X-Signature"] == headers(new, call)
        assert "X-Signature-Next" not in call.headers

    world.run(story)


def test_without_an_overlap_every_earlier_secret_ends_at_once(world: World) -> None:
    async def story() -> None:
        first = (await find(world)).current
        second = (await rotate(world, DAY)).current
        third = await rotate(world, timedelta())
        assert third == CallbackSecrets(third.current)
        call = await signed(world, Signature.STANDARD_WEBHOOKS)
        assert [verifies(secret, call) for secret in (first, second, third.current)] == [False, False, True]

    world.run(story)


def test_no_rotation_shortens_the_time_of_an_earlier_one(world: World) -> None:
    async def story() -> None:
        made = await rotate(world, DAY)
        with pytest.raises(Conflict, match=f"{made.previous_until:%Y-%m-%d %H:%M} UTC"):
            await rotate(world, DAY)
        assert await find(world) == made
        world.time.advance(DAY)
        assert (await rotate(world, DAY)).previous == made.current

    world.run(story)


@pytest.mark.parametrize("overlap", [timedelta(days=31), -timedelta(seconds=1)])
def test_an_overlap_is_at_most_thirty_days(world: World, overlap: timedelta) -> None:
    async def story() -> None:
        before = await find(world)
        with pytest.raises(Invalid, match="0 to 30 days"):
            await rotate(world, overlap)
        assert await find(world) == before

    world.run(story)


def test_a_rotation_concerns_its_account_only(world: World) -> None:
    async def story() -> None:
        other = (await world.another_account("other")).account
        before = await callback_secrets.find(world.ctx, other)
        await rotate(world, DAY)
        assert await callback_secrets.find(world.ctx, other) == before

    world.run(story)
