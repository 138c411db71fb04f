"""The recipe `infobip` and its provider, as Infobip's documents show them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dispatcher.domain.delivery.provider import ReceiptRequest
from tests.providers.cases.recipe import opened, options
from tests.providers.cases.web import speaking
from tests.providers.conformance import CREDENTIAL, Case
from tests.providers.peer import Got, http_reply

STATUSES: Mapping[str, Mapping[str, object]] = {
    "PENDING": {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"},
    "UNDELIVERABLE": {
        "groupId": 2,
        "groupName": "UNDELIVERABLE",
        "id": 9,
        "name": "UNDELIVERABLE_NOT_DELIVERED",
    },
    "DELIVERED": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
    "REJECTED": {"groupId": 5, "groupName": "REJECTED", "id": 52, "name": "REJECTED_DESTINATION"},
}
NO_ERROR = {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False}


def destinations(got: Got) -> list[dict[str, str]]:
    messages: Any = got.document["messages"]
    return [message["destinations"][0] for message in messages]


def answer(got: Got, status: Mapping[str, object]) -> bytes:
    messages = [
        {
            "messageId": to["messageId"],
            "status": status,
            "destination": to["to"],
            "details": {"messageCount": 1},
        }
        for to in destinations(got)
    ]
    return http_reply(200, {"bulkId": "2034072219640523072", "messages": messages})


def posted(document: object, *, token: str = CREDENTIAL) -> ReceiptRequest:
    return ReceiptRequest("POST", {}, {"token": token}, json.dumps(document).encode())


def delivery(status: Mapping[str, object], error: Mapping[str, object] = NO_ERROR) -> dict[str, object]:
    result = {
        "bulkId": "2034072219640523072",
        "messageId": "p-1",
        "to": "254701234567",
        "sentAt": "2026-03-01T12:00:00.000+0000",
        "doneAt": "2026-03-01T12:00:01.000+0000",
        "smsCount": 1,
        "status": status,
        "error": error,
    }
    return {"results": [result]}


INFOBIP = Case(
    name="infobip",
    factory=opened,
    options=options("infobip", api_key=CREDENTIAL, receipt_token=CREDENTIAL),
    peer=speaking(
        accepts=lambda got: answer(got, STATUSES["PENDING"]),
        rejects=lambda got: answer(got, STATUSES["REJECTED"]),
    ),
    references=lambda peer: [to["messageId"] for got in peer.requests for to in destinations(got)],
    receipt=lambda word: posted(delivery(STATUSES.get(word, {"groupName": word}))),
    forged=lambda real: replace(real, query={"token": "another-token"}),
    garbage=ReceiptRequest("POST", {}, {"token": CREDENTIAL}, b"\xff{{{"),
    delivered="DELIVERED",
    undelivered="UNDELIVERABLE",
    refs=("m-1",),
)
