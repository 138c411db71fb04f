"""Emess's dictionary is whole, and its page tells what the document tells."""

from dispatcher.api.dialects.emess.mapping import FAULTS, TYPES, WORDS, Counted, envelope
from dispatcher.api.errors import CRASHED, describe_error
from dispatcher.domain.errors import Fault, FaultKind, InvalidSubmission, Misconfigured
from dispatcher.domain.messages.status import CANCELLED, MISSED, Status
from dispatcher.domain.tier import Tier
from tests.api.emess.sample import EmessClient, ask
from tests.world import World


def test_every_status_counts_as_succeeded_or_failed() -> None:
    assert set(WORDS) == set(Status)
    failed = {status for status, word in WORDS.items() if word is Counted.FAILED}
    assert failed == CANCELLED | MISSED | {Status.WITHDRAWN}


def test_every_type_is_a_tier_and_every_tier_has_its_type() -> None:
    assert list(TYPES) == ["critical", "standard", "bulk"]
    assert set(TYPES.values()) == set(Tier)


def test_every_kind_of_fault_has_its_words() -> None:
    assert set(FAULTS) == set(FaultKind)
    for kind in FaultKind:
        said = envelope(describe_error(InvalidSubmission([Fault("text", kind, "{value}")])))
        assert isinstance(said, dict)
        assert "{field}" not in said["message"]


def test_a_describe_error_ours_is_told_in_the_documents_words() -> None:
    assert envelope(CRASHED) == {"message": "Failed to send SMS"}
    assert envelope(describe_error(Misconfigured("no secret"))) == {"message": "Server configuration error"}


def test_the_openapi_tells_the_documents_operations_and_answers(world: World) -> None:
    async def story(office: EmessClient) -> None:
        del office.http.headers["Authorization"]
        page = await office.http.get("/api/v0/docs")
        assert (page.status_code, "/api/v0/openapi.json" in page.text) == (200, True)
        api = (await office.http.get("/api/v0/openapi.json")).json()
        answers = {path: sorted(item["post"]["responses"]) for path, item in api["paths"].items()}
        creating = ["200", "400", "401", "402", "403", "409", "413", "415", "422", "429", "500", "503"]
        assert answers == {
            "/api/v0/auth/token": ["200", "400", "401", "413", "415", "429", "500", "503"],
            "/api/v0/sms/send": creating,
            "/api/v0/sms/bulk": creating,
        }
        assert api["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
        assert "security" not in api["paths"]["/api/v0/auth/token"]["post"]
        send = api["paths"]["/api/v0/sms/send"]["post"]
        schema = send["requestBody"]["content"]["application/json"]["schema"]
        assert schema["required"] == ["number", "message", "type"]
        assert schema["properties"]["type"]["enum"] == ["critical", "standard", "bulk"]
        assert send["security"] == [{"HTTPBearer": []}]

    ask(world, story)
