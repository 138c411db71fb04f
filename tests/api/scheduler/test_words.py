"""SMS Scheduler's dictionary is whole, and its page tells what the document tells."""

from dispatcher.api.dialects.scheduler.mapping import FAULTS, WORDS
from dispatcher.domain.errors import FaultKind
from dispatcher.domain.messages.status import Status
from tests.api.client import ApiClient, ask
from tests.world import World

DOCUMENTED = {*range(10, 14), *range(20, 30), *range(30, 34), 38, 39}


def test_every_status_has_its_documented_code_and_withdrawn_has_none() -> None:
    assert set(WORDS) == set(Status)
    assert {word.code for word in WORDS.values() if word} == DOCUMENTED
    assert all(word is None or word.code == status for status, word in WORDS.items())
    assert [status for status, word in WORDS.items() if word is None] == [Status.WITHDRAWN]


def test_every_kind_of_fault_has_its_words() -> None:
    assert set(FAULTS) == set(FaultKind)


def test_the_openapi_tells_the_documents_operations_and_examples(world: World) -> None:
    async def story(desk: ApiClient) -> None:
        del desk.http.headers["Authorization"]
        page = await desk.http.get("/api/v1/docs")
        assert (page.status_code, "/api/v1/openapi.json" in page.text) == (200, True)
        api = (await desk.http.get("/api/v1/openapi.json")).json()
        operations = {(method, path) for path, item in api["paths"].items() for method in item}
        assert operations == {
            ("post", "/api/v1/sms"),
            ("get", "/api/v1/sms/{sms_id}"),
            ("delete", "/api/v1/sms/{sms_id}"),
            ("get", "/api/v1/message/{message_id}"),
            ("delete", "/api/v1/message/{message_id}"),
        }
        create = api["paths"]["/api/v1/sms"]["post"]
        sample = create["requestBody"]["content"]["application/json"]["example"]
        assert sample["message_text"] == "Hello world"
        assert sorted(create["responses"]) == ["200", "400", "401"]
        assert api["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"

    ask(world, story)
