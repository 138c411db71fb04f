"""SMS Gateway: words for every status and fault, and the OpenAPI document."""

from itertools import product

import pytest

from dispatcher.api.dialects.smsgate.mapping import FAULTS, STATUSES, WORDS, GatewayState, error_of, state_of
from dispatcher.api.dialects.smsgate.queries import FILTERS
from dispatcher.api.dialects.smsgate.responses import device_id
from dispatcher.domain.errors import FaultKind
from dispatcher.domain.messages.status import Status
from tests.api.client import ApiClient
from tests.api.smsgate.client import BASE, NOBODY, run_with_api
from tests.world import World


def test_every_status_has_a_state_and_every_failed_one_a_reason() -> None:
    assert set(WORDS) == set(Status)
    for status, word in WORDS.items():
        assert (word.error is not None) == (word.state is GatewayState.FAILED), status
    assert error_of(Status.EXPIRED) == "TTL expired"


def test_no_message_is_ever_processed_or_cancelling() -> None:
    assert STATUSES[GatewayState.PROCESSED] == STATUSES[GatewayState.CANCELLING] == frozenset()


def test_every_kind_of_fault_has_a_message() -> None:
    assert set(FAULTS) == set(FaultKind)


def test_a_providers_reason_is_shown_and_ours_is_not() -> None:
    assert error_of(Status.FAILED, "code 7") == "sending failed: code 7"
    assert error_of(Status.EXPIRED, "its window is over; last: busy") == "TTL expired"
    assert error_of(Status.SENT, "accepted") is None


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ([12, 90, 11, 13], "Pending"),
        ([12, 90, 13, 30], "Cancelled"),
        ([30, 27], "Failed"),
        ([13, 13], "Delivered"),
        ([13, 30], "Sent"),
        ([12, 13], "Sent"),
        ([12, 30], "Sent"),
        ([10], "Pending"),
        ([], "Sent"),
    ],
)
def test_a_state_is_pending_before_cancelled_before_all_failed_before_all_delivered_else_sent(
    statuses: list[int], state: str
) -> None:
    assert state_of(map(Status, statuses)) == state


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_filter_by_state_finds_exactly_the_messages_that_show_this_state(length: int) -> None:
    kinds = [Status.PENDING, Status.SENT, Status.RECEIVED, Status.EXPIRED, Status.WITHDRAWN]
    for statuses in product(kinds, repeat=length):
        for state, wanted in FILTERS.items():
            has_all = all(any(status in some for status in statuses) for some in wanted.some)
            found = has_all and not any(status in wanted.none for status in statuses)
            assert found == (state_of(statuses) is state), (statuses, state)


def test_the_device_id_has_21_characters_and_is_the_accounts_own() -> None:
    ids = {device_id(account_id) for account_id in range(1000)}
    assert len(ids) == 1000
    assert {len(one) for one in ids} == {21}
    assert device_id(7) == device_id(7)


def test_the_openapi_has_the_documents_operations_and_both_security_schemes(world: World) -> None:
    async def story(api: ApiClient) -> None:
        api.http.auth = NOBODY
        page = await api.http.get(f"{BASE}/docs")
        assert (page.status_code, f"{BASE}/openapi.json" in page.text) == (200, True)
        document = (await api.http.get(f"{BASE}/openapi.json")).json()
        for method, path in [("post", ""), ("get", ""), ("get", "/{message_id}")]:
            operation = document["paths"][f"{BASE}/messages{path}"][method]
            assert operation["security"] == [{"Basic": []}, {"Bearer": []}]
            assert {"200", "401", "403", "429", "500", "503"} <= set(operation["responses"])
        assert all(path.startswith(BASE) for path in document["paths"])
        schemes = document["components"]["securitySchemes"]
        assert {scheme["scheme"] for scheme in schemes.values()} == {"basic", "bearer"}

    run_with_api(world, story)
