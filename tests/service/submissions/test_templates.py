"""Templates are filled in when a message is accepted; a missing variable is refused."""

import pytest

from dispatcher.domain.errors import AlreadyExists, FaultKind, Invalid, InvalidSubmission, NotFound
from dispatcher.service.submissions import templates
from dispatcher.store.submissions.templates import Template
from tests.world import World


async def _template(world: World, text: str = "Hi {{name}}, at {{at}}", name: str = "x") -> Template:
    return await templates.create(world.ctx, world.caller.account, name, text)


def test_a_message_gets_the_template_s_text_with_its_variables(world: World) -> None:
    async def story() -> None:
        made = await _template(world)
        values = {"name": "Jane", "at": "10:49pm", "unused": "-"}
        batch = await world.submit(template_id=made.public_id, variables=values, text="ignored")
        row = await world.row(batch.messages[0].id)
        assert row.text == "Hi Jane, at 10:49pm"
        assert (await world.one("SELECT template_id FROM batches")).template_id == made.id

    world.run(story)


def test_all_missing_variables_are_named_and_no_row_is_written(world: World) -> None:
    async def story() -> None:
        made = await _template(world)
        with pytest.raises(InvalidSubmission) as caught:
            await world.submit(template_id=made.public_id, variables={"other": "x"})
        assert [(f.kind, f.value) for f in caught.value.faults] == [
            (FaultKind.MISSING_VARIABLE, "name"),
            (FaultKind.MISSING_VARIABLE, "at"),
        ]
        assert await world.balance() == 10_000

    world.run(story)


def test_a_variable_s_value_is_never_read_as_a_template(world: World) -> None:
    async def story() -> None:
        made = await _template(world, "{{a}}{{b}}")
        preview = await templates.preview(
            world.ctx, world.caller.account, made.public_id, {"a": "{b}", "b": "{a}"}
        )
        assert preview.text == "{b}{a}"

    world.run(story)


def test_another_account_s_template_is_unknown(world: World) -> None:
    async def story() -> None:
        made = await _template(world, "Hello")
        other = await world.another_account("other")
        with pytest.raises(InvalidSubmission) as caught:
            await world.submit(template_id=made.public_id, caller=other)
        assert caught.value.faults[0].kind is FaultKind.UNKNOWN_TEMPLATE
        with pytest.raises(NotFound):
            await templates.find(world.ctx, other.account, made.public_id)

    world.run(story)


def test_changing_a_template_does_not_change_accepted_messages(world: World) -> None:
    async def story() -> None:
        made = await _template(world, "one")
        batch = await world.submit(template_id=made.public_id)
        await templates.change(world.ctx, world.caller.account, made.public_id, "two")
        assert (await world.row(batch.messages[0].id)).text == "one"
        after = await world.submit(template_id=made.public_id)
        assert (await world.row(after.messages[0].id)).text == "two"

    world.run(story)


def test_a_removed_template_is_unknown_and_its_name_can_be_used_again(world: World) -> None:
    async def story() -> None:
        made = await _template(world)
        with pytest.raises(AlreadyExists):
            await _template(world)
        await templates.remove(world.ctx, world.caller.account, made.public_id)
        with pytest.raises(InvalidSubmission):
            await world.submit(template_id=made.public_id)
        await _template(world)
        assert len(await templates.page(world.ctx, world.caller.account)) == 1

    world.run(story)


def test_a_result_of_too_many_segments_is_refused(world: World) -> None:
    async def story() -> None:
        made = await _template(world, "{{a}}")
        with pytest.raises(InvalidSubmission) as caught:
            await world.submit(template_id=made.public_id, variables={"a": "x" * 2000})
        assert caught.value.faults[0].kind is FaultKind.TOO_LONG

    world.run(story)


@pytest.mark.parametrize(
    ("name", "text"),
    [("", "x"), ("x" * 101, "x"), ("x", " "), ("x", "y" * 2001), ("x", "a\0b"), ("a\0", "x")],
)
def test_a_template_needs_a_name_and_a_text_of_a_bounded_size(world: World, name: str, text: str) -> None:
    async def story() -> None:
        with pytest.raises(Invalid):
            await _template(world, text, name)

    world.run(story)


@pytest.mark.parametrize("text", ["Hi {{name}", "Hi {name}}", "Hi {{}}", "Hi {{{name}}}"])
def test_a_template_with_braces_that_are_no_variable_is_refused(world: World, text: str) -> None:
    async def story() -> None:
        made = await _template(world)
        account = world.caller.account
        with pytest.raises(Invalid, match="has braces that nothing fills: "):
            await _template(world, text, name="y")
        with pytest.raises(Invalid, match="has braces that nothing fills: "):
            await templates.change(world.ctx, account, made.public_id, text)
        assert [one.text for one in await templates.page(world.ctx, account)] == [made.text]

    world.run(story)


def test_braces_in_a_value_that_nothing_fills_are_refused(world: World) -> None:
    async def story() -> None:
        made = await _template(world, "Hi {{name}}")
        for text in ("{{first_name}}", "{{"):
            with pytest.raises(InvalidSubmission) as caught:
                await world.submit(template_id=made.public_id, variables={"name": text})
            assert [fault.kind for fault in caught.value.faults] == [FaultKind.UNFILLED]
            with pytest.raises(InvalidSubmission):
                await templates.preview(world.ctx, world.caller.account, made.public_id, {"name": text})

    world.run(story)


def test_a_variable_is_found_whatever_its_case_blanks_and_underscores(world: World) -> None:
    async def story() -> None:
        made = await _template(world, "Hi {{ First Name }}")
        batch = await world.submit(template_id=made.public_id, variables={"first_name": "Ann"})
        assert (await world.row(batch.messages[0].id)).text == "Hi Ann"

    world.run(story)
