"""eMsgNow fills templates in: `{{name}}` and nothing else, when the SMS is accepted."""

import pytest

from dispatcher.service.submissions import templates
from tests.api.client import ApiClient
from tests.api.emsgnow.sample import details, refused, run_with_api, send, template
from tests.world import World

OUTAGE = "{{name}}, your power is back at {{etor}}"
VARIABLES = {"name": "Jane Doe", "etor": "10:49pm"}


def test_the_text_is_the_template_with_its_variables_filled_in(world: World) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, OUTAGE)
        tracking_id = await send(api, message=..., templateId=template_id, variables=VARIABLES)
        shown = await details(api, tracking_id)
        assert shown["message"] == "Jane Doe, your power is back at 10:49pm"

    run_with_api(world, story)


@pytest.mark.parametrize("message", ["Another text", "", "x" * 161])
def test_a_template_wins_over_a_message(world: World, message: str) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, "Power is back")
        shown = await details(api, await send(api, message=message, templateId=template_id))
        assert shown["message"] == "Power is back"

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("value", "text"),
    [("5", "5"), (5, "5"), (-1.5, "-1.5"), (True, "true"), (False, "false"), ("", ""), ("é🙂", "é🙂")],
)
def test_a_variable_may_be_a_string_a_number_or_a_boolean(world: World, value: object, text: str) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, "[{{v}}]")
        tracking_id = await send(api, message=..., templateId=template_id, variables={"v": value})
        assert (await details(api, tracking_id))["message"] == f"[{text}]"

    run_with_api(world, story)


@pytest.mark.parametrize("value", [None, [], ["x"], {}, {"x": "y"}])
def test_a_variable_of_another_type_is_refused(world: World, value: object) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, "{{v}}")
        error = await refused(api, templateId=template_id, variables={"v": value})
        assert error == "variables: each value must be a string, a number or a boolean"

    run_with_api(world, story)


def test_a_missing_variable_is_refused_by_its_name(world: World) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, OUTAGE)
        assert await refused(api, templateId=template_id, variables={"etor": "now"}) == (
            "variables: name is missing"
        )
        assert await refused(api, templateId=template_id) == (
            "variables: name is missing; variables: etor is missing"
        )

    run_with_api(world, story)


def test_unused_variables_are_ignored(world: World) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, OUTAGE)
        unused = VARIABLES | {"other": "\0"}
        await send(api, templateId=template_id, variables=unused)
        await send(api, variables=unused)

    run_with_api(world, story)


def test_the_value_of_a_variable_is_not_read_as_a_template(world: World) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, "{{a}} {b} {% d %} ${e} {{f.__class__}}")
        values = {"a": "{b} {% d %}", "b": "no", "d": "no", "e": "no", "f.__class__": "a name"}
        shown = await details(api, await send(api, templateId=template_id, variables=values))
        assert shown["message"] == "{b} {% d %} {b} {% d %} ${e} a name"

    run_with_api(world, story)


def test_a_filled_in_template_may_have_several_parts(world: World) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, "{{v}}")
        await send(api, templateId=template_id, variables={"v": "x" * 400})
        row = await api.world.one("SELECT segments, charged FROM messages")
        assert (row.segments, row.charged) == (3, 3)

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("", "message: is empty"),
        ("x" * 1600, "message: is too long: 11 segments, at most 10"),
        ("a\0", "message: cannot be sent: "),
    ],
)
def test_a_filled_in_template_that_cannot_be_sent_is_refused(world: World, value: str, error: str) -> None:
    async def story(api: ApiClient) -> None:
        template_id = await template(api, "{{v}}")
        assert (await refused(api, templateId=template_id, variables={"v": value})).startswith(error)

    run_with_api(world, story)


@pytest.mark.parametrize("template_id", ["", "gPVTbWpwQHXgg8KSZ6sX", "1", "x" * 5000])
def test_an_unknown_template_is_refused(world: World, template_id: str) -> None:
    shown = template_id if len(template_id) <= 300 else f"{'x' * 300}…"

    async def story(api: ApiClient) -> None:
        error = await refused(api, templateId=template_id)
        assert error == f"templateId: is not a template of this account: {shown} (there is none)"

    run_with_api(world, story)


def test_a_removed_template_and_one_of_another_account_are_unknown(world: World) -> None:
    async def story(api: ApiClient) -> None:
        other = await api.world.another_account("other")
        foreign = await templates.create(api.world.ctx, other.account, "x", "x")
        removed = await template(api, "Power is back")
        await templates.remove(api.world.ctx, api.world.caller.account, removed)
        for template_id in (foreign.public_id, removed):
            response = await api.http.post(
                "/sms", json={"to": "+1234567890", "from": "SHOP", "templateId": template_id}
            )
            assert response.status_code == 400
            error = response.json()["error"]
            assert error.startswith("templateId: is not a template of this account: ")
            assert error.endswith(" (there is none)")

    run_with_api(world, story)
