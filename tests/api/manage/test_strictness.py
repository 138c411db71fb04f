"""Nothing unknown is ignored, nothing is converted, and all faults of a request come in one answer."""

import json
from datetime import timedelta
from typing import Any

import pytest

from dispatcher.api.manage import management
from dispatcher.api.manage.fields import RequestModel
from tests.api.manage.client import NUMBERS, PREFIX, SHOP, ManagementClient, run_with_api
from tests.world import World

BATCHES = f"{SHOP}/batches"
BATCH: dict[str, Any] = {"recipients": NUMBERS[:1], "text": "Hello"}
HOUR = timedelta(hours=1)
LATER, SOONER = "2026-12-02T09:00:00Z", "2026-12-01T09:00:00Z"
PAST = "2020-01-01T00:00:00Z"


def refuse(world: World, method: str, path: str, body: object = None) -> dict[str, str]:
    """Return the faults of a request by field, after checking that nothing was stored."""

    async def story(api: ManagementClient) -> dict[str, str]:
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
        response = await api.http.request(method, PREFIX + path, content=content)
        assert response.status_code == 400, response.text
        for table in ("messages", "batches", "templates", "campaigns"):
            assert await world.all(f"SELECT * FROM {table}") == []
        return {fault["field"]: fault["detail"] for fault in response.json()["faults"]}

    return run_with_api(world, story)


@pytest.mark.parametrize(
    ("method", "path", "body", "fault"),
    [
        ("POST", BATCHES, BATCH | {"notBefore": LATER}, ("notBefore", "unknown; did you mean not_before?")),
        ("POST", BATCHES, BATCH | {"not-after": LATER}, ("not-after", "unknown; did you mean not_after?")),
        ("POST", BATCHES, BATCH | {"NOT_BEFORE": LATER}, ("NOT_BEFORE", "unknown; did you mean not_before?")),
        ("POST", BATCHES, BATCH | {"teir": "bulk"}, ("teir", "unknown; did you mean tier?")),
        (
            "POST",
            BATCHES,
            BATCH | {"callbackUrl": "x"},
            ("callbackUrl", "unknown; did you mean callback_url?"),
        ),
        ("POST", "/accounts", {"name": "a", "credit": 5}, ("credit", "unknown; did you mean credits?")),
        ("PATCH", SHOP, {"daly": 5}, ("daly", "unknown; did you mean daily?")),
        ("POST", f"{SHOP}/topups", {"amount": 5, "notes": ""}, ("notes", "unknown; did you mean note?")),
        (
            "POST",
            f"{SHOP}/opt-outs",
            {"numbers": NUMBERS, "senders": "A"},
            ("senders", "unknown; did you mean sender?"),
        ),
        (
            "POST",
            "/operators",
            {"kind": "token", "validityDays": 1},
            ("validityDays", "unknown; did you mean validity_days?"),
        ),
        ("POST", "/providers/sim/pause", {"reasons": "x"}, ("reasons", "unknown; did you mean reason?")),
        (
            "POST",
            f"{SHOP}/campaigns",
            {"name": "a", "audience": "b", "spreadSeconds": 5},
            ("spreadSeconds", "unknown; did you mean spread_seconds?"),
        ),
        (
            "POST",
            "/messages/edits",
            {
                "selection": {"account": "shop", "everything": True},
                "change": {"kind": "cancel"},
                "dryRun": True,
            },
            ("dryRun", "unknown; did you mean dry_run?"),
        ),
        (
            "POST",
            "/messages/edits",
            {"selection": {"account": "shop", "tier": "bulk", "Batch": 3}, "change": {"kind": "cancel"}},
            ("selection.Batch", "unknown; did you mean batch?"),
        ),
        (
            "POST",
            "/messages/edits",
            {
                "selection": {"account": "shop", "tier": "bulk"},
                "change": {"kind": "reschedule", "notAfter": LATER},
            },
            ("change.notAfter", "unknown; did you mean not_after?"),
        ),
    ],
)
def test_an_unknown_field_is_refused_with_the_likely_one(
    world: World, method: str, path: str, body: dict[str, object], fault: tuple[str, str]
) -> None:
    assert refuse(world, method, path, body).items() >= {fault}


def test_a_day_that_is_misspelt_is_refused_with_the_likely_one(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        for name, likely in (("holiday", "holidays"), ("Zones", "zone"), ("mond", "mon")):
            body = {"tue": ["08:00-20:00"], name: []}
            detail = await api.refused("PUT", f"{SHOP}/hours", 400, json=body)
            assert detail.startswith(f'"{name}" is not a day; did you mean {likely}?')

    run_with_api(world, story)


def test_a_field_that_is_like_no_other_is_refused_with_those_that_there_are(world: World) -> None:
    fault = refuse(world, "POST", f"{SHOP}/senders", {"name": "ABC", "colour": "red"})
    assert fault == {"colour": "unknown; there are name"}


def test_a_time_of_sending_is_not_taken_for_a_sender(world: World) -> None:
    assert "did you mean" not in refuse(world, "POST", BATCHES, BATCH | {"send_at": LATER})["send_at"]


@pytest.mark.parametrize(
    ("method", "path", "field", "detail"),
    [
        ("GET", "/messages?acount=shop", "acount", "unknown; did you mean account?"),
        ("GET", "/messages?Number=1", "Number", "unknown; did you mean number?"),
        ("GET", "/accounts?offset=50", "offset", "unknown; there are limit, cursor"),
        ("GET", "/lanes?tier=bulk", "tier", "unknown; there are none"),
        (
            "DELETE",
            f"{SHOP}/opt-outs?number=%2B254712345678&snder=A",
            "snder",
            "unknown; did you mean sender?",
        ),
        ("POST", "/messages/1/cancel?dry_run=true", "dry_run", "unknown; there are none"),
        ("POST", f"{SHOP}/audiences?audience=a&dryrun=true", "dryrun", "unknown; did you mean dry_run?"),
        ("GET", "/messages?account=shop&account=bank", "account", "is given 2 times"),
    ],
)
def test_an_unknown_parameter_of_the_query_is_refused(
    world: World, method: str, path: str, field: str, detail: str
) -> None:
    assert refuse(world, method, path) == {field: detail}


def test_a_parameter_that_may_be_repeated_is_no_fault(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        assert (await api.get("/messages?status=pending&status=sent"))["items"] == []

    run_with_api(world, story)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/messages/1/cancel"),
        ("POST", "/batches/1/cancel"),
        ("POST", f"{SHOP}/pause"),
        ("GET", "/messages"),
    ],
)
def test_a_body_where_none_is_expected_is_refused(world: World, method: str, path: str) -> None:
    assert refuse(world, method, path, {"dry_run": True}) == {
        "dry_run": "unknown; this request takes no fields"
    }


def test_an_empty_body_where_none_is_expected_is_fine(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        for body in (b"", b"{}", b" \n"):
            response = await api.http.post(f"{PREFIX}{SHOP}/pause", content=body)
            assert response.status_code == 200, response.text

    run_with_api(world, story)


NO_AMOUNTS = ["true", "false", '"5"', "5.0", "5.5", "1e3", "1e400", "-1e400", "[5]", "{}", "9" * 400]


@pytest.mark.parametrize("amount", NO_AMOUNTS)
@pytest.mark.parametrize(
    ("method", "path", "field", "rest"),
    [
        ("POST", f"{SHOP}/topups", "amount", {}),
        ("POST", "/accounts", "credits", {"name": "a"}),
        ("PATCH", SHOP, "rate", {}),
        ("PATCH", SHOP, "daily", {}),
        ("POST", f"{SHOP}/campaigns", "max_cost", {"name": "a", "audience": "b"}),
        ("POST", f"{SHOP}/campaigns", "spread_seconds", {"name": "a", "audience": "b"}),
        ("POST", f"{SHOP}/credentials", "validity_days", {"dialect": "emess", "kind": "app"}),
    ],
)
def test_an_amount_is_a_whole_number_of_json_and_nothing_else(
    world: World, method: str, path: str, field: str, rest: dict[str, object], amount: str
) -> None:
    head = json.dumps(rest | {field: "AMOUNT"})
    assert refuse(world, method, path, head.replace('"AMOUNT"', amount).encode()).keys() >= {field}


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "05", "5_0", "0x5"])
def test_an_amount_that_is_not_json_is_refused(world: World, amount: str) -> None:
    async def story(api: ManagementClient) -> str:
        return await api.refused("POST", f"{SHOP}/topups", 400, content=b'{"amount": %b}' % amount.encode())

    assert run_with_api(world, story) == "The body is not valid JSON"


@pytest.mark.parametrize(
    ("rate", "is_right"), [("true", False), ('"5"', False), ("1e400", False), ("0.5", True)]
)
def test_a_rate_is_a_number_and_may_have_a_fraction(world: World, rate: str, is_right: bool) -> None:
    body = b'{"name": "a", "audience": "b", "text": "x", "at": "%b", "per_second": %b}'
    faults = refuse(world, "POST", f"{SHOP}/campaigns", body % (LATER.encode(), rate.encode()))
    assert ("per_second" in faults) is not is_right


@pytest.mark.parametrize("switch", ['"true"', "1", "0", '"yes"', "null"])
def test_a_switch_is_true_or_false(world: World, switch: str) -> None:
    body = json.dumps(BATCH | {"strip_diacritics": "SWITCH"}).replace('"SWITCH"', switch)
    assert refuse(world, "POST", BATCHES, body.encode())["strip_diacritics"].startswith(
        "must be true or false, not "
    )


@pytest.mark.parametrize(
    "time",
    [0, 1764579600, "1764579600", 1764579600000, True, "tomorrow", "2026-12-01", "2026-12-01T09:00:00"],
)
def test_a_time_is_a_text_with_its_zone(world: World, time: object) -> None:
    assert refuse(world, "POST", BATCHES, BATCH | {"not_before": time}).keys() == {"not_before"}


@pytest.mark.parametrize("limit", ["5.0", "1e1", "1_0", "+5", "true", "0", "201", ""])
def test_a_count_in_the_query_is_digits_alone(world: World, limit: str) -> None:
    assert refuse(world, "GET", f"/accounts?limit={limit.replace('+', '%2B')}").keys() == {"limit"}


@pytest.mark.parametrize("identifier", [True, 5.0, "x", -1, 2**63])
def test_true_and_a_fraction_are_no_id(world: World, identifier: object) -> None:
    body = {"selection": {"account": "shop", "message": identifier}, "change": {"kind": "cancel"}}
    assert refuse(world, "POST", "/messages/edits", body).keys() == {"selection.message"}


def test_all_faults_of_a_body_come_together_the_windows_too(world: World) -> None:
    faults = refuse(
        world,
        "POST",
        BATCHES,
        {
            "recipients": "x",
            "tier": "fast",
            "not_before": LATER,
            "not_after": SOONER,
            "notes": 1,
            "repeats": "no",
        },
    )
    assert faults.keys() == {"recipients", "template_id", "tier", "not_after", "notes", "repeats"}
    assert faults["not_after"].startswith(
        "must be after not_before, which is 2026-12-02T09:00:00+00:00, not "
    )
    assert faults["tier"] == "must be 'critical', 'standard' or 'bulk', not \"fast\""


def test_all_faults_of_a_batch_come_together_the_windows_too(world: World) -> None:
    faults = refuse(
        world,
        "POST",
        BATCHES,
        {
            "recipients": ["abc"],
            "text": "x" * 9000,
            "not_after": "2020-01-01T00:00:00Z",
            "callback_url": "ftp://x",
        },
    )
    assert faults.keys() == {"recipients", "text", "not_after", "callback_url"}
    assert faults["not_after"].startswith("leaves no time to send")


def test_faults_of_form_and_of_content_come_together(world: World) -> None:
    body = {
        "recipients": ["abc", 5, NUMBERS[0]],
        "template_id": "spring",
        "sender": "SHOPP",
        "not_before": LATER,
        "not_after": SOONER,
        "notBefore": LATER,
        "client_id": 7,
        "callback_url": "ftp://x",
    }
    faults = refuse(world, "POST", BATCHES + "?dryrun=true", body)
    assert faults.keys() == {
        *("recipients.1", "not_after", "notBefore", "client_id", "dryrun"),
        *("recipients", "template_id", "sender", "callback_url"),
    }
    assert faults["sender"] == "is not a sender of this account: SHOPP (there is: SHOP)"
    assert faults["recipients"].startswith("is not a phone number: abc")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"teir": "bulk"}, {"teir", "recipients", "template_id"}),
        ({"teir": "bulk", "recipients": [], "text": " "}, {"teir", "recipients", "text"}),
        ({"recipients": [5], "text": 5, "sender": "X"}, {"recipients.0", "text", "sender"}),
        ({"recipients": NUMBERS, "text": "a", "template_id": "x"}, {"template_id"}),
        ({"teir": 1, "recipients": NUMBERS, "text": "{{a}}"}, {"teir", "text"}),
        ({"teir": 1, "recipients": NUMBERS, "text": "a", "not_after": PAST}, {"teir", "not_after"}),
        ({"recipients": NUMBERS, "text": "a", "sender": "X", "not_after": PAST}, {"sender", "not_after"}),
    ],
)
def test_a_field_that_cannot_be_read_is_not_reported_as_empty_too(
    world: World, body: dict[str, object], fields: set[str]
) -> None:
    assert refuse(world, "POST", BATCHES, body).keys() == fields


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {"name": "a", "audience": "nobody", "text": "Hi", "sender": "X", "max_cost": "5", "crn": 1},
            {"audience", "sender", "max_cost", "crn", "at"},
        ),
        (
            {"name": 5, "cron": 5, "spread_seconds": 1, "per_second": 1.5},
            {"name", "audience", "cron", "text", "spread_seconds"},
        ),
    ],
)
def test_faults_of_form_and_of_a_plan_come_together(
    world: World, body: dict[str, object], fields: set[str]
) -> None:
    assert refuse(world, "POST", f"{SHOP}/campaigns", body).keys() == fields


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (BATCHES, b'{"recipients": ["+254712345678"], "text": "a", "text": "b"}'),
        (BATCHES, b'{"recipients": [], "template_id": "a", "variables": {"text": "", "text": ""}}'),
        ("/batches/1/cancel", b'{"text": 1, "text": 2}'),
    ],
)
def test_a_field_that_is_there_twice_is_refused(world: World, path: str, body: bytes) -> None:
    async def story(api: ManagementClient) -> str:
        return await api.refused("POST", path, 400, content=body)

    assert run_with_api(world, story) == "The body has the field 'text' 2 times: give it once"


def test_a_batch_repeated_after_its_window_gets_the_first_answer(world: World) -> None:
    async def story(api: ManagementClient) -> None:
        end = (world.time.at + HOUR).isoformat()
        for _ in range(2):
            response = await api.http.post(
                f"{PREFIX}{BATCHES}", json=BATCH | {"not_after": end}, headers={"Idempotency-Key": "k"}
            )
            assert response.status_code == 201, response.text
            world.time.advance(2 * HOUR)

    run_with_api(world, story)


def test_all_faults_of_the_query_come_together(world: World) -> None:
    faults = refuse(world, "GET", "/messages?acount=x&limit=0&tier=fast&since=yesterday")
    assert faults.keys() == {"acount", "limit", "tier", "since"}


def test_a_password_is_in_no_answer(world: World) -> None:
    async def story(api: ManagementClient) -> str:
        body = {"kind": "login", "nme": "ann", "password": "correct horse battery" * 100}
        return await api.refused("POST", "/operators", 400, json=body)

    detail = run_with_api(world, story)
    assert "password" in detail
    assert "horse" not in detail


def test_every_body_is_strict() -> None:
    """A model of another module joins by being a RequestModel."""

    def models(base: type[RequestModel]) -> set[type[RequestModel]]:
        return {base}.union(*map(models, base.__subclasses__()))

    found = models(RequestModel)
    assert len(found) > 20
    lenient = {m.__name__ for m in found if m.model_config.get("extra") != "forbid"}
    assert lenient == {"HoursRequest"}  # its fields are the days
    assert all(m.model_config.get("strict") for m in found)


def test_every_body_in_the_document_is_a_strict_model() -> None:
    schemas = management.openapi()["components"]["schemas"]
    requests = {name: schema for name, schema in schemas.items() if name.endswith("Request")}
    assert len(requests) > 15
    assert {n for n, s in requests.items() if s.get("additionalProperties") is not False} == {"HoursRequest"}
