"""Edits over the management API: selected, counted, changed."""

from datetime import timedelta

import pytest

from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier
from tests.api.client import Body
from tests.api.manage.client import NUMBERS, ManagementClient, run_with_api
from tests.world import World

PATH = "/messages/edits"
HOUR = timedelta(hours=1)
CANCEL: Body = {"kind": "cancel"}
NONE: Body = {
    "changed": 0, "too_late": 0, "unchanged": 0, "reasons": {}, "refunded": 0, "charged": 0, "dry_run": False,
    "late": {}, "to_come": 0, "left_out": {}, "not_reached": 0, "next_run": None,
}  # fmt: skip


def edit(change: Body, **selection: object) -> Body:
    return {"selection": {"account": "shop", **selection}, "change": change}


def test_a_batch_is_counted_first_and_then_cancelled_by_an_operator(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        batch = await world.submit(NUMBERS, after=HOUR)
        body = edit(CANCEL, batch=str(batch.public_id))
        answer = NONE | {"changed": 3, "refunded": 3}
        assert await api.post(PATH, body | {"dry_run": True}) == answer | {"dry_run": True}
        assert await world.balance() == 9_997
        assert await api.post(PATH, body) == answer
        assert await api.post(PATH, body) == NONE | {"too_late": 3, "late": {"withdrawn": 3}}
        assert await world.balance() == 10_000
        assert (await world.row(batch.messages[0].id)).reason == "cancelled by an operator"

    run_with_api(world, story)


def test_the_short_ways_to_cancel_are_an_operators_too(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        first, second = [(await world.submit(after=HOUR)) for _ in range(2)]
        await api.post(f"/messages/{first.messages[0].id}/cancel")
        await api.post(f"/batches/{second.id}/cancel")
        rows = await world.all("SELECT status, reason FROM messages")
        assert {(row.status, row.reason) for row in rows} == {(Status.WITHDRAWN, "cancelled by an operator")}

    run_with_api(world, story)


def test_a_window_is_replaced_or_shifted(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        message = (await world.submit(after=HOUR)).messages[0]
        row, at = await world.row(message.id), world.time.now() + 3 * HOUR
        given: Body = {"kind": "reschedule", "not_before": at.isoformat()}
        assert await api.post(PATH, edit(given, message=message.id)) == NONE | {"changed": 1}
        assert (await world.row(message.id)).not_before == at
        shift: Body = {"kind": "reschedule", "shift_seconds": -3600}
        assert await api.post(PATH, edit(shift, everything=True)) == NONE | {"changed": 1}
        moved = await world.row(message.id)
        assert (moved.not_before, moved.not_after) == (at - HOUR, row.not_after - HOUR)
        early: Body = {"kind": "reschedule", "not_after": at.isoformat()}
        assert await api.post(PATH, edit(early, status=["scheduled"])) == NONE | {"changed": 1}

    run_with_api(world, story)


def test_a_new_text_is_charged_and_messages_it_does_not_fit_are_counted(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await world.submit(NUMBERS, after=HOUR, tier=Tier.BULK)
        text: Body = {"kind": "text", "text": "x" * 161}
        assert await api.post(PATH, edit(text, tier="bulk")) == NONE | {"changed": 3, "charged": 3}
        named: Body = {"kind": "text", "text": "Dear {{name}}"}
        result = await api.post(PATH, edit(named, sender=world.sender_id))
        assert result == NONE | {"unchanged": 3, "reasons": {"no value for name": 3}}
        assert await world.balance() == 9_994

    run_with_api(world, story)


def test_a_text_that_the_balance_does_not_cover_is_402(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        await world.submit(NUMBERS, after=HOUR)
        body = edit({"kind": "text", "text": "x" * 161}, everything=True)
        assert "0 messages have it" in await api.refused("POST", PATH, 402, json=body)

    run_with_api(world, story, credits=3)


@pytest.mark.parametrize(
    ("selection", "change", "status"),
    [
        ({}, CANCEL, 400),
        ({"everything": True, "tier": "bulk"}, CANCEL, 400),
        ({"status": ["sent"]}, CANCEL, 400),
        ({"status": []}, CANCEL, 400),
        ({"number": "twelve"}, CANCEL, 400),
        ({"not_before_from": "2030-01-01T00:00:00"}, CANCEL, 400),
        ({"everything": True}, {"kind": "delete"}, 400),
        ({"everything": True}, {"kind": "reschedule"}, 400),
        ({"everything": True}, {"kind": "reschedule", "shift_seconds": 0}, 400),
        ({"everything": True}, {"kind": "reschedule", "shift_seconds": 10**12}, 400),
        ({"everything": True}, {"kind": "reschedule", "not_after": "2020-01-01T00:00:00Z"}, 400),
        ({"everything": True}, {"kind": "text", "text": " "}, 400),
        ({"everything": True}, {"kind": "text", "text": "x" * 5000}, 400),
        ({"account": "nobody", "everything": True}, CANCEL, 404),
        ({"message": 999}, CANCEL, 404),
        ({"batch": "26ffdcde-4260-4866-a288-52d04ef512d8"}, CANCEL, 404),
        ({"campaign": "spring"}, CANCEL, 404),
        ({"sender": "NOBODY"}, CANCEL, 404),
    ],
)
def test_an_invalid_edit_changes_nothing(world: World, selection: Body, change: Body, status: int) -> None:
    async def story(api: ManagementClient) -> None:
        message = (await world.submit(after=HOUR)).messages[0]
        await api.refused("POST", PATH, status, json=edit(change, **selection))
        assert (await world.row(message.id)).seq == 1

    run_with_api(world, story)
