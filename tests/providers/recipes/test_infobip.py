"""The recipe `infobip` against what Infobip documents."""

import json
from datetime import UTC, datetime

import pytest

from dispatcher.domain.delivery.provider import Accepted, Inbound, Rejected, Unknown
from dispatcher.domain.messages.status import Status
from tests.providers.cases.infobip import INFOBIP, NO_ERROR, STATUSES, delivery, posted
from tests.providers.cases.recipe import RECEIPT_URL
from tests.providers.conformance import CREDENTIAL, a_message
from tests.providers.peer import http_reply
from tests.providers.recipes.exchange import head, inbound, reported, send, table

GROUPS = table((0, "0"), (1, "3 7 26"), (2, "4 9 31 96-98"), (3, "2 5"), (4, "15 29"))
"""Status IDs of "Response status and error codes" by group; all others are REJECTED."""

ANSWERS = table(
    ("accepted", "0 3 7 26 2 5"),
    (30, "8 51 52"),
    ("31!", "14"),
    (31, "10 20 87"),
    (32, "15 29"),
    (38, "4 9 31 96-98 6 11 13 18 19 24 25 99"),
    ("deferred", "12 17 21 100"),
    ("unknown", "23"),
)

ENDS = table(
    (None, "0 3 7 26 2 29"), (13, "5"), (32, "15"), (38, "4 9 31 96-98 6 11-13 17-19 21 23-25 99 100")
) | (table((30, "8 51 52"), ("31!", "14"), (31, "10 20 87")))

ERRORS = table(
    (30, "1 5 351 352 1152 1153 3041"),
    ("31!", "573 603 2052"),
    (31, "9 12 13 15 560 561 566 569 574 604 607 608 2049 2050 2051 2053 4103 4104"),
    (32, "811 2048 4098 4100 4101"),
    (33, "2 6 8 24 27 31-34 51 256-262 502 581 628 630 631 1031 1154-1166"),
    (38, "0 7 10 11 20 21 35 36 71 255 323 345 355 368 375 433 488 500 501 503 504 507-509"),
    (38, "541 542 562-565 568 571 572 577-580 592 594 597 598 601 609 629 632 633 810 815"),
    (38, "1024-1030 1281-1284 1536-1541 1792-1796 4096 4097 4099 4102 4202 5492"),
)
"""The error IDs of "General error codes", in the groups OK, handset, user and operator."""


def status_of(id_: int) -> dict[str, object]:
    group = GROUPS.get(str(id_), 5)
    names = {0: "ACCEPTED", 1: "PENDING", 2: "UNDELIVERABLE", 3: "DELIVERED", 4: "EXPIRED", 5: "REJECTED"}
    return {"groupId": group, "groupName": names[group], "id": id_, "name": f"S_{id_}"}


def item(reference: str, id_: int) -> dict[str, object]:
    return {"messageId": reference, "status": status_of(id_), "destination": "254701234567"}


def test_a_request_is_that_of_the_documents() -> None:
    _, got = send(INFOBIP, http_reply(200, {"messages": [item("m-1", 26)]}))
    assert got.head.startswith("POST /sms/3/messages HTTP/1.1\r\n")
    assert head(got)["Authorization"] == f"App {CREDENTIAL}"
    assert got.document == {
        "messages": [
            {
                "sender": "ACME",
                "destinations": [{"to": "254701234567", "messageId": "m-1"}],
                "content": {"text": "hello"},
                "options": {"validityPeriod": {"amount": 31, "timeUnit": "SECONDS"}},
                "webhooks": {
                    "delivery": {"url": f"{RECEIPT_URL}?token={CREDENTIAL}"},
                    "contentType": "application/json",
                },
            }
        ]
    }


def test_many_messages_are_one_request_with_an_outcome_for_each() -> None:
    answer = http_reply(200, {"messages": [item("m-3", 12), item("m-1", 26), item("m-2", 52)]})
    messages = [a_message(f"m-{number}", text=f"text {number}") for number in (1, 2, 3, 4)]
    (first, second, third, fourth), got = send(INFOBIP, answer, messages)
    assert first == Accepted(("m-1",))
    assert second == Rejected(Status.INVALID_NUMBER, "HTTP 200: S_52")
    assert type(third).__name__ == "Deferred"
    assert isinstance(fourth, Unknown)
    sent = json.loads(got.body)["messages"]
    assert [message["content"]["text"] for message in sent] == ["text 1", "text 2", "text 3", "text 4"]


@pytest.mark.parametrize(
    ("status", "body", "meant"),
    [
        (400, {"errorCode": "E400", "description": "Request cannot be processed."}, 38),
        (401, {"errorCode": "E401"}, "deferred"),
        (403, {"errorCode": "E403"}, "deferred"),
        (429, {"errorCode": "E429"}, "deferred"),
        (500, {"errorCode": "E500"}, "unknown"),
        (503, None, "deferred"),
        (200, {"messages": []}, "unknown"),
    ],
)
def test_an_answer_without_messages_is_about_all(status: int, body: object, meant: int | str) -> None:
    outcomes, _ = send(INFOBIP, http_reply(status, body), [a_message("m-1"), a_message("m-2")])
    names = [int(o.status) if isinstance(o, Rejected) else type(o).__name__.lower() for o in outcomes]
    assert names == [meant, meant]


@pytest.mark.parametrize("id_", ANSWERS)
def test_every_status_of_an_answer_has_its_meaning(id_: str) -> None:
    ((outcome,), _) = send(INFOBIP, http_reply(200, {"messages": [item("m-1", int(id_))]}))
    said: int | str = type(outcome).__name__.lower()
    if isinstance(outcome, Rejected):
        said = f"{int(outcome.status)}!" if outcome.opted_out else int(outcome.status)
    assert said == ANSWERS[id_]


@pytest.mark.parametrize("id_", ENDS)
def test_every_status_of_a_report_has_its_code(id_: str) -> None:
    assert reported(INFOBIP, posted(delivery(status_of(int(id_))))) == ENDS[id_]


@pytest.mark.parametrize("id_", ERRORS)
def test_every_error_of_a_failure_has_its_code(id_: str) -> None:
    error = {"id": int(id_), "name": f"EC_{id_}"}
    assert reported(INFOBIP, posted(delivery(STATUSES["UNDELIVERABLE"], error))) == ERRORS[id_]


def test_an_error_of_a_message_delivered_or_on_its_way_is_ignored() -> None:
    error = NO_ERROR | {"id": 1}
    assert reported(INFOBIP, posted(delivery(STATUSES["DELIVERED"], error))) == 13
    assert reported(INFOBIP, posted(delivery(STATUSES["PENDING"], error))) is None


def test_a_message_from_a_handset_is_read() -> None:
    written = {
        "messageId": "817790313235066447",
        "from": "254701234567",
        "to": "22345",
        "text": "STOP please",
        "cleanText": "please",
        "keyword": "STOP",
        "receivedAt": "2026-03-01T12:00:00.000+0000",
        "smsCount": 1,
    }
    assert inbound(INFOBIP, posted({"results": [written], "messageCount": 1})) == Inbound(
        "254701234567",
        "22345",
        "STOP please",
        "817790313235066447",
        datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
