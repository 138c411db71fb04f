"""eMsgNow: words for every status and fault, and the OpenAPI document."""

from datetime import UTC, datetime, timedelta

from dispatcher.api.dialects.emsgnow.mapping import DOCUMENTED, FAULTS, FIELDS, WORDS, quota_headers
from dispatcher.domain.accounts.rate_limit import RateLimitStatus
from dispatcher.domain.errors import FaultKind
from dispatcher.domain.messages.status import Status
from dispatcher.domain.messages.submission import Submission
from tests.api.client import ApiClient
from tests.api.emsgnow.sample import run_with_api
from tests.world import World


def test_every_status_has_its_word_and_only_the_documents_three_have_no_details() -> None:
    assert set(WORDS) == set(Status)
    assert {WORDS[status] for status in DOCUMENTED} == {"processing", "sent to provider", "delivered"}
    assert set(WORDS.values()) == {
        "scheduled",
        "processing",
        "sent to provider",
        "delivered",
        "failed",
        "expired",
        "cancelled",
        "undelivered",
    }


def test_a_message_that_no_provider_had_is_cancelled_or_expired() -> None:
    assert {WORDS[status] for status in Status if status.is_refunded} == {"cancelled", "expired"}
    assert {WORDS[status] for status in Status if status.is_missed} == {"undelivered", "expired", "failed"}


def test_every_kind_of_fault_has_a_message() -> None:
    assert set(FAULTS) == set(FaultKind)


def test_the_fields_are_those_of_a_submission() -> None:
    assert set(FIELDS) <= set(Submission.__dataclass_fields__)


def test_the_reset_is_in_whole_seconds_rounded_up() -> None:
    quota = RateLimitStatus(
        limit=60, remaining=58, reset=timedelta(seconds=1, microseconds=1), retry_after=None
    )
    assert quota_headers(quota, datetime.now(UTC)) == {
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "58",
        "X-RateLimit-Reset": "2",
    }


def test_the_openapi_has_the_documents_operations_and_examples(world: World) -> None:
    async def story(api: ApiClient) -> None:
        del api.http.headers["x-api-key"]
        page = await api.http.get("/sms/docs")
        assert (page.status_code, "/sms/openapi.json" in page.text) == (200, True)
        document = (await api.http.get("/sms/openapi.json")).json()
        reading = {"200", "401", "403", "404", "413", "429", "500", "503", "default"}
        sending = reading - {"404", "default"} | {"400", "402", "409", "415", "422"}
        assert {
            (method, path): set(operation["responses"])
            for path, item in document["paths"].items()
            for method, operation in item.items()
        } == {
            ("post", "/sms"): sending,
            ("get", "/sms/{message_id}"): reading,
            ("get", "/sms/{message_id}/events"): reading,
            ("get", "/sms/{message_id}/events/{event_id}"): reading,
        }
        send = document["paths"]["/sms"]["post"]
        assert send["requestBody"]["content"]["application/json"]["example"]["to"] == "+1234567890"
        assert "X-RateLimit-Reset" in send["responses"]["200"]["headers"]
        assert document["components"]["securitySchemes"]["APIKeyHeader"]["name"] == "x-api-key"
        assert all(
            operation["security"] == [{"APIKeyHeader": []}]
            for item in document["paths"].values()
            for operation in item.values()
        )

    run_with_api(world, story)
