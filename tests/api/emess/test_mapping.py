"""Emess: words for every status and fault, and the OpenAPI document."""

from dispatcher.api.dialects.emess.mapping import FAULTS, TYPES, WORDS, Counted, envelope
from dispatcher.api.errors import CRASHED, describe_error
from dispatcher.domain.errors import Fault, FaultKind, InvalidSubmission, Misconfigured
from dispatcher.domain.messages.status import CANCELLED, MISSED, Status
from dispatcher.domain.tier import Tier
from tests.api.emess.sample import EmessClient, run_with_api
from tests.world import World


def test_every_status_counts_as_succeeded_or_failed() -> None:
    assert set(WORDS) == set(Status)
    failed = {status for status, word in WORDS.items() if word is Counted.FAILED}
    assert failed == CANCELLED | MISSED | {Status.WITHDRAWN}


def test_every_type_is_a_tier_and_every_tier_has_its_type() -> None:
    assert list(TYPES) == ["critical", "standard", "bulk"]
    assert set(TYPES.values()) == set(Tier)


def test_every_kind_of_fault_has_a_message() -> None:
    assert set(FAULTS) == set(FaultKind)
    for kind in FaultKind:
        message = envelope(describe_error(InvalidSubmission([Fault("text", kind, "{value}")])))
        assert isinstance(message, dict)
        assert "{field}" not in message["message"]


def test_an_error_of_ours_has_the_documents_message() -> None:
    assert envelope(CRASHED) == {"message": "Failed to send SMS"}
    assert envelope(describe_error(Misconfigured("no secret"))) == {"message": "Server configuration error"}


def test_the_openapi_has_the_documents_operations_and_responses(world: World) -> None:
    async def story(api: EmessClient) -> None:
        del api.http.headers["Authorization"]
        page = await api.http.get("/api/v0/docs")
        assert (page.status_code, "/api/v0/openapi.json" in page.text) == (200, True)
        document = (await api.http.get("/api/v0/openapi.json")).json()
        answers = {path: sorted(item["post"]["responses"]) for path, item in document["paths"].items()}
        creating = ["200", "400", "401", "402", "403", "409", "413", "415", "422", "429", "500", "503"]
        assert answers == {
            "/api/v0/auth/token": ["200", "400", "401", "413", "415", "429", "500", "503"],
            "/api/v0/sms/send": creating,
            "/api/v0/sms/bulk": creating,
        }
        assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
        assert "security" not in document["paths"]["/api/v0/auth/token"]["post"]
        send = document["paths"]["/api/v0/sms/send"]["post"]
        schema = send["requestBody"]["content"]["application/json"]["schema"]
        assert schema["required"] == ["number", "message", "type"]
        assert schema["properties"]["type"]["enum"] == ["critical", "standard", "bulk"]
        assert send["security"] == [{"HTTPBearer": []}]

    run_with_api(world, story)
