"""The form and key API: words for every status and fault, and the OpenAPI document."""

from dispatcher.api.dialects.formpost.mapping import FAULTS, FORM_FAULTS, WORDS
from dispatcher.domain.errors import FaultKind
from dispatcher.domain.messages.status import Status
from tests.api.formpost.client import FormpostClient, run_with_api
from tests.world import World

_SEND = ["200", "400", "401", "402", "403", "409", "413", "415", "422", "429", "500", "503"]


def test_every_status_has_its_word_and_a_withdrawn_message_is_cancelled() -> None:
    assert set(WORDS) == set(Status)
    assert WORDS[Status.WITHDRAWN] == "cancelled"


def test_every_kind_of_fault_has_a_message_and_v1_ends_them_with_a_full_stop() -> None:
    assert set(FAULTS) == set(FORM_FAULTS) == set(FaultKind)
    assert FORM_FAULTS[FaultKind.NOT_A_NUMBER] == "Invalid phone number format."
    shown = set(FaultKind) - {FaultKind.NOT_MOBILE}  # which this dialect never asks for
    assert all(FORM_FAULTS[kind].endswith(".") for kind in shown)


def test_the_openapi_has_the_operations_their_errors_and_the_security_schemes(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        document = (await api.http.get("/api/v2/openapi.json")).json()
        operations = {
            (method, path): operation
            for path, item in document["paths"].items()
            for method, operation in item.items()
        }
        assert {name: sorted(operation["responses"]) for name, operation in operations.items()} == {
            ("post", "/v1/sms/send"): _SEND,
            ("post", "/api/v1/sms/send"): _SEND,
            ("get", "/api/v2/sms/send"): _SEND,
            ("post", "/api/v2/sms/send"): _SEND,
            ("get", "/api/v2/account/balance"): ["200", "401", "413", "429", "500", "503"],
            ("post", "/api/generate-key"): [
                "201", "400", "401", "409", "413", "415", "422", "429", "500", "503",
            ],
            ("post", "/api/regenerate-key"): [
                "200", "400", "401", "413", "415", "422", "429", "500", "503",
            ],
            ("post", "/api/revoke-key"): ["200", "400", "401", "404", "413", "415", "429", "500", "503"],
            ("get", "/api/v2"): ["200"],
            ("get", "/api/oauth2-callback"): ["200"],
        }  # fmt: skip
        keyed: list[dict[str, list[str]]] = [{"APIKeyHeader": []}, {"APIKeyQuery": []}]
        assert operations["get", "/api/v2/sms/send"]["security"] == keyed
        assert operations["post", "/api/revoke-key"]["security"] == [*keyed, {"HTTPBasic": []}]
        body = operations["post", "/v1/sms/send"]["requestBody"]
        assert sorted(body["content"]) == ["application/json", "application/x-www-form-urlencoded"]
        for kind in body["content"].values():
            assert kind["example"]["numbers"] == "0701234567, 0712345678"
        answers = operations["post", "/api/v2/sms/send"]["responses"]
        assert {kind for answer in answers.values() for kind in answer["content"]} == {"application/json"}

    run_with_api(world, story)
