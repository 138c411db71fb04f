"""SMS Scheduler: words for every status and fault, and the OpenAPI document."""

from dispatcher.api.dialects.scheduler.mapping import FAULTS, WORDS
from dispatcher.domain.errors import FaultKind
from dispatcher.domain.messages.status import Status
from tests.api.client import ApiClient, run_with_api
from tests.world import World

DOCUMENTED = {*range(10, 14), *range(20, 30), *range(30, 34), 38, 39}


def test_every_status_has_its_documented_code_and_withdrawn_has_none() -> None:
    assert set(WORDS) == set(Status)
    assert {word.code for word in WORDS.values() if word} == DOCUMENTED
    assert all(word is None or word.code == status for status, word in WORDS.items())
    assert [status for status, word in WORDS.items() if word is None] == [Status.WITHDRAWN]


def test_every_kind_of_fault_has_a_message() -> None:
    assert set(FAULTS) == set(FaultKind)


def test_the_openapi_has_the_documents_operations_and_examples(world: World) -> None:
    async def story(api: ApiClient) -> None:
        del api.http.headers["Authorization"]
        page = await api.http.get("/api/v1/docs")
        assert (page.status_code, "/api/v1/openapi.json" in page.text) == (200, True)
        document = (await api.http.get("/api/v1/openapi.json")).json()
        operations = {(method, path) for path, item in document["paths"].items() for method in item}
        assert operations == {
            ("post", "/api/v1/sms"),
            ("get", "/api/v1/sms/{sms_id}"),
            ("delete", "/api/v1/sms/{sms_id}"),
            ("get", "/api/v1/message/{message_id}"),
            ("delete", "/api/v1/message/{message_id}"),
        }
        create = document["paths"]["/api/v1/sms"]["post"]
        sample = create["requestBody"]["content"]["application/json"]["example"]
        assert sample["message_text"] == "Hello world"
        assert sorted(create["responses"]) == ["200", "400", "401"]
        assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"

    run_with_api(world, story)
