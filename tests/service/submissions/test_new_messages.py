"""The statuses of new messages: each initial status of the table has a cause."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest

from dispatcher.domain.hours.allowed_hours import parse_hours
from dispatcher.domain.messages.status import INITIAL, INITIAL_PLACES, Status
from dispatcher.domain.messages.submission import Submission, WithoutCredit
from dispatcher.service.accounts import hours, opt_outs
from dispatcher.service.campaigns.launch import launch
from dispatcher.service.routing import routes
from dispatcher.service.submissions.submit import submit
from tests.audience import audience
from tests.campaign import started
from tests.world import NUMBER, NUMBERS, World

HOUR = timedelta(hours=1)
WITH_A_NAME = "{{name}}"


async def _later(world: World) -> None:
    await world.submit(after=HOUR)


async def _now(world: World) -> None:
    await world.submit()


async def _without_a_text(world: World) -> None:
    audience_id = await audience(world, 1, variables={"name": " "})
    await started(world, audience_id=audience_id, text=WITH_A_NAME)
    await launch(world.ctx)


async def _with_a_text_that_is_too_long(world: World) -> None:
    audience_id = await audience(world, 1, variables={"name": "x" * 10_000})
    await started(world, audience_id=audience_id, text=WITH_A_NAME)
    await launch(world.ctx)


async def _without_a_sender(world: World) -> None:
    await world.all("DELETE FROM senders")
    await world.submit()


async def _with_a_sender_that_the_country_refuses(world: World) -> None:
    rules = {"KE": {"alphanumeric": "registered", "registered": ["BANK"]}}
    await routes.set_table(world.ctx, {"rules": [{"ways": [["sim"]]}], "senders": rules}, by="ann")
    await world.submit()


async def _without_credit(world: World) -> None:
    poor = await world.another_account("poor", credits=0)
    await submit(world.ctx, poor, Submission([NUMBER], "Hi", NUMBERS, without_credit=WithoutCredit.KEEP))


async def _opted_out(world: World) -> None:
    await opt_outs.add(world.ctx, world.caller.account, [NUMBER])
    await world.submit()


async def _outside_its_hours(world: World) -> None:
    tomorrow = f"{world.time.now() + timedelta(days=1):%a}".lower()
    allowed = parse_hours({tomorrow: ["12:00-12:01"]})
    await hours.set(world.ctx, world.caller.account, hours.DEFAULT_TIERS, allowed)
    await world.submit(until=timedelta(seconds=1))


async def _without_a_route(world: World) -> None:
    await routes.set_table(world.ctx, {"rules": [{"ways": [["sim"]], "countries": ["FR"]}]}, by="ann")
    await world.submit()


WAYS: Mapping[Status, Callable[[World], Awaitable[None]]] = {
    Status.SCHEDULED: _later,
    Status.PENDING: _now,
    Status.NO_TEXT: _without_a_text,
    Status.INVALID_TEXT: _with_a_text_that_is_too_long,
    Status.NO_SENDER: _without_a_sender,
    Status.INVALID_SENDER: _with_a_sender_that_the_country_refuses,
    Status.NO_CREDIT: _without_credit,
    Status.OPTED_OUT: _opted_out,
    Status.EXPIRED: _outside_its_hours,
    Status.NO_ROUTE: _without_a_route,
}


@pytest.mark.parametrize("status", WAYS)
def test_a_new_message_has_the_status_that_says_why_it_cannot_be_sent(world: World, status: Status) -> None:
    async def story() -> None:
        await WAYS[status](world)
        first = await world.one("SELECT status, charged, place FROM messages")
        assert first.status == status
        assert (first.place in INITIAL_PLACES) is not status.is_final
        assert bool(first.charged) is not status.is_final
        assert (await world.one("SELECT status FROM message_events")).status == status

    world.run(story)


def test_a_test_above_covers_each_initial_status_of_the_table() -> None:
    assert WAYS.keys() == INITIAL
