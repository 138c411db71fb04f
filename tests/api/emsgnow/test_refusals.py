"""eMsgNow refuses an SMS: 400, and {"error": "<field>: reason"} with all that is wrong."""

from datetime import timedelta

import pytest

from dispatcher.service.accounts import accounts
from dispatcher.settings import Settings
from tests.api.client import ApiClient
from tests.api.emsgnow.sample import later, refused, run_with_api, send
from tests.world import World

_NOT_A_NUMBER = "to: is not a phone number in E.164 format, such as +1234567890"
_NOT_A_TIME = "must be a UTC date-time: YYYY-MM-DDThh:mm:ss.sssZ"
_NOTHING_LEFT = "notAfter: leaves no time to send"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("to", "to: is required"),
        ("from", "from: is required"),
        ("message", "message: is required, or templateId"),
    ],
)
@pytest.mark.parametrize("absent", [..., None])
def test_a_required_field_that_is_missing_is_named(
    world: World, name: str, error: str, absent: object
) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, **{name: absent}) == error

    run_with_api(world, story)


@pytest.mark.parametrize("value", [5, 1.5, True, [], ["x"], {}])
@pytest.mark.parametrize(
    "name", ["to", "from", "message", "templateId", "notBefore", "notAfter", "callbackUrl", "clientId"]
)
def test_a_value_that_is_not_a_string_is_refused(world: World, name: str, value: object) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, **{name: value}) == f"{name}: must be a string"

    run_with_api(world, story)


@pytest.mark.parametrize("value", ["x", 5, True, [], [["a", "b"]]])
def test_variables_that_are_no_object_are_refused(world: World, value: object) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, variables=value) == "variables: must be an object"

    run_with_api(world, story)


@pytest.mark.parametrize("value", ["", "SMS", "email", 5, True, ["sms"], {}])
def test_an_unknown_message_type_is_refused(world: World, value: object) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, messageType=value) == 'messageType: must be "sms"'

    run_with_api(world, story)


@pytest.mark.parametrize(
    "to",
    [
        "",
        " ",
        "+",
        "abc",
        "+0123456789",
        "0712345678",
        "123456",
        "+1234567890123456",
        "+1 234 567 890",
        "(123)4567890",
        "++1234567890",
        "1234567890\n",
        "tel:+1234567890",
        "+١٢٣٤٥٦٧٨٩٠",
        "+1234567890,+1234567891",
        "9" * 5000,
    ],
)
def test_a_number_that_is_not_e164_is_refused_and_not_echoed(world: World, to: str) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, to=to) == _NOT_A_NUMBER

    run_with_api(world, story)


@pytest.mark.parametrize("sender", ["", "shop", "NOBODY", "OTHER", " SHOP", "x" * 5000])
def test_an_unknown_or_foreign_from_is_refused(world: World, sender: str) -> None:
    async def story(api: ApiClient) -> None:
        await api.world.another_account("other")
        shown = sender if len(sender) <= 40 else sender[:40] + "…"
        expected = f"from: is not a sender of this account: {shown} (there is: SHOP)"
        assert await refused(api, **{"from": sender}) == expected

    run_with_api(world, story)


def test_a_disabled_from_is_refused(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await accounts.disable_sender(api.world.ctx, api.world.caller.account, api.world.sender_id)
        assert await refused(api) == "from: is not a sender of this account: SHOP (there is none)"

    run_with_api(world, story)


def test_a_message_of_more_than_160_characters_is_refused(world: World) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, message="x" * 161) == "message: has 161 characters, at most 160"

    run_with_api(world, story)


def test_without_a_limit_of_characters_the_limit_of_segments_stays(settings: Settings) -> None:
    async def story(api: ApiClient) -> None:
        error = await refused(api, message="x" * 1600)
        assert error == "message: is too long: 11 segments, at most 10"

    run_with_api(World(settings.model_copy(update={"emsgnow_max_characters": 0})), story)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_message_is_refused(world: World, text: str) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, message=text) == "message: is empty"

    run_with_api(world, story)


@pytest.mark.parametrize("value", ["a\0b", "\ud83d"])
@pytest.mark.parametrize("name", ["from", "message", "templateId", "callbackUrl", "clientId"])
def test_characters_that_are_none_are_refused_and_no_crash(world: World, name: str, value: str) -> None:
    async def story(api: ApiClient) -> None:
        error = await refused(api, **{name: value})
        assert error == f"{name}: contains NUL or half of a surrogate pair, which cannot be stored"

    run_with_api(world, story)


def test_a_client_id_of_more_than_100_characters_is_refused(world: World) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, clientId="x" * 101) == "clientId: has 101 characters, at most 100"

    run_with_api(world, story)


@pytest.mark.parametrize("name", ["notBefore", "notAfter"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "tomorrow",
        "2030-01-01",
        "20300101T120000Z",
        "2030-W01-1T12:00:00Z",
        "2030-02-30T12:00:00Z",
        "2030-01-01T25:00:00Z",
        "2030-01-01T12:00:60Z",
        "2030-01-01T12:00:00+99:00",
        "2030-01-01T12:00:00Z ",
        "２０３０-01-01T12:00:00Z",
        "1893456000",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2" * 5000,
    ],
)
def test_a_text_that_is_not_a_date_and_time_is_refused(world: World, name: str, value: str) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, **{name: value}) == f"{name}: {_NOT_A_TIME}"

    run_with_api(world, story)


@pytest.mark.parametrize("value", ["2020-01-01T00:00:00.000Z", "0001-01-01T00:00:00Z"])
def test_a_not_after_in_the_past_is_refused(world: World, value: str) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, notAfter=value) == _NOTHING_LEFT

    run_with_api(world, story)


@pytest.mark.parametrize("hours", [0, -1])
def test_a_not_after_that_is_not_after_not_before_is_refused(world: World, hours: int) -> None:
    async def story(api: ApiClient) -> None:
        error = await refused(api, notBefore=later(api, hours=5), notAfter=later(api, hours=5 + hours))
        assert error == _NOTHING_LEFT

    run_with_api(world, story)


def test_a_not_before_more_than_731_days_ahead_is_refused(world: World) -> None:
    async def story(api: ApiClient) -> None:
        await send(api, notBefore=later(api, days=731))
        response = await api.http.post(
            "/sms", json={"to": "+1234567890", "from": "SHOP", "message": "x", "notBefore": _far(api)}
        )
        assert response.status_code == 400
        assert response.json() == {"error": "notBefore: is too far ahead: at most 731 days"}

    run_with_api(world, story)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "ftp://shop.example/x",
        "https://",
        "https://user:password@shop.example/x",
        "http://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x",
        "http://localhost/x",
        "https://shop.example/a b",
        "https://shop.example/" + "x" * 2048,
    ],
)
def test_a_callback_url_that_must_not_be_called_is_refused(world: World, url: str) -> None:
    async def story(api: ApiClient) -> None:
        assert (await refused(api, callbackUrl=url)).startswith("callbackUrl: ")

    run_with_api(world, story)


def test_all_faults_are_listed_in_the_documents_order(world: World) -> None:
    async def story(api: ApiClient) -> None:
        assert await refused(api, clientId=1, message="x" * 161, to=..., messageType="mms") == (
            'messageType: must be "sms"; to: is required;'
            " message: has 161 characters, at most 160; clientId: must be a string"
        )
        assert await refused(api, to="x", **{"from": "x"}) == (
            f"{_NOT_A_NUMBER}; from: is not a sender of this account: x (there is: SHOP)"
        )
        assert await refused(api, clientId=1, to="x", notAfter="2020-01-01T00:00:00Z", **{"from": "x"}) == (
            f"clientId: must be a string; {_NOT_A_NUMBER}; notAfter: leaves no time to send;"
            " from: is not a sender of this account: x (there is: SHOP)"
        )

    run_with_api(world, story)


def _far(api: ApiClient) -> str:
    return (api.world.time.now() + timedelta(days=731, seconds=1)).isoformat()
