"""A replayed callback is sent like a new one, with the same id."""

from datetime import timedelta

import pytest

from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.callbacks.events import CallbackState, MessageEvent
from dispatcher.domain.errors import NotFound
from dispatcher.service.callbacks import admin
from dispatcher.service.callbacks.sender import CallbackSender, FormattedCallback, Signature, SignedPayload
from tests.service.callbacks.callback_sending import send_due
from tests.world import World

URL = "https://shop.example/sms"


class _Poster:
    def __init__(self) -> None:
        self.status = 410
        self.sent: list[str] = []

    async def post(self, call: CallbackRequest) -> CallbackReply:
        self.sent.append(call.headers["webhook-id"])
        return CallbackReply(self.status, f"HTTP {self.status}")

    async def close(self) -> None:
        pass


def _formatted(event: MessageEvent) -> FormattedCallback:
    return FormattedCallback({"seq": event.seq}, Signature.STANDARD_WEBHOOKS)


def _signed(payload: SignedPayload) -> dict[str, str]:
    return {"webhook-id": payload.id}


def test_a_replay_is_sent_once_more_with_the_same_id(world: World) -> None:
    async def story() -> None:
        poster = _Poster()
        signers = {Signature.STANDARD_WEBHOOKS: _signed}
        sender = CallbackSender(world.ctx, poster, formatters={"test": _formatted}, signers=signers)
        await world.submit(callback_url=URL)
        await send_due(sender)
        [refused] = (await admin.page(world.ctx)).items
        assert (refused.state, refused.answer) == (CallbackState.REFUSED, "HTTP 410")
        poster.status = 200
        world.time.advance(timedelta(days=30))
        await admin.replay(world.ctx, refused.public_id)
        await send_due(sender)
        [delivered] = (await admin.page(world.ctx, state=CallbackState.DELIVERED)).items
        assert (delivered.id, delivered.tries) == (refused.id, 1)
        assert poster.sent == [str(refused.public_id)] * 2

    world.run(story)


def test_an_unknown_callback_cannot_be_replayed(world: World) -> None:
    async def story() -> None:
        with pytest.raises(NotFound):
            await admin.replay(world.ctx, 99)

    world.run(story)
