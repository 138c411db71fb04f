"""A callback told again goes out as a new one does, under the id it had."""

from datetime import timedelta

import pytest

from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.callbacks.events import CallbackState, MessageEvent
from dispatcher.domain.errors import NotFound
from dispatcher.service.callbacks import admin
from dispatcher.service.callbacks.sender import CallbackSender, FormattedCallback, Signature, SignedPayload
from tests.service.callbacks.callback_sending import work_off
from tests.world import World

URL = "https://shop.example/sms"


class _Poster:
    def __init__(self) -> None:
        self.status = 410
        self.told: list[str] = []

    async def post(self, call: CallbackRequest) -> CallbackReply:
        self.told.append(call.headers["webhook-id"])
        return CallbackReply(self.status, f"HTTP {self.status}")

    async def close(self) -> None:
        pass


def _worded(happening: MessageEvent) -> FormattedCallback:
    return FormattedCallback({"seq": happening.seq}, Signature.STANDARD_WEBHOOKS)


def _signed(letter: SignedPayload) -> dict[str, str]:
    return {"webhook-id": letter.id}


def test_a_replay_is_told_once_more_under_the_same_id(world: World) -> None:
    async def story() -> None:
        poster = _Poster()
        signers = {Signature.STANDARD_WEBHOOKS: _signed}
        teller = CallbackSender(world.ctx, poster, formatters={"test": _worded}, signers=signers)
        await world.submit(callback_url=URL)
        await work_off(teller)
        [refused] = (await admin.page(world.ctx)).items
        assert (refused.state, refused.answer) == (CallbackState.REFUSED, "HTTP 410")
        poster.status = 200
        world.time.advance(timedelta(days=30))  # older than a callback is worth
        await admin.replay(world.ctx, refused.public_id)
        await work_off(teller)
        [delivered] = (await admin.page(world.ctx, state=CallbackState.DELIVERED)).items
        assert (delivered.id, delivered.tries) == (refused.id, 1)
        assert poster.told == [str(refused.public_id)] * 2

    world.run(story)


def test_a_callback_that_is_none_cannot_be_replayed(world: World) -> None:
    async def story() -> None:
        with pytest.raises(NotFound):
            await admin.replay(world.ctx, 99)

    world.run(story)
