"""An Idempotency-Key makes the same request again give the same answer, in both surfaces and for GET too."""

from collections.abc import Mapping

import pytest

from tests.api.formpost.client import SAMPLE, V1, V2, FormpostClient, ask
from tests.world import World

_ONCE = {"Idempotency-Key": "order-42"}


def _request(counter: FormpostClient, method: str, path: str) -> Mapping[str, object]:
    headers = _ONCE | (counter.key if path == V2 else {})
    fields = SAMPLE | (counter.user if path == V1 else {})
    return {"method": method, "url": path, "headers": headers, "params": fields}


@pytest.mark.parametrize(("method", "path"), [("POST", V1), ("POST", V2), ("GET", V2)])
def test_a_repeated_request_gets_the_first_answer_and_sends_nothing(
    world: World, method: str, path: str
) -> None:
    async def story(counter: FormpostClient) -> None:
        request = _request(counter, method, path)
        first = await counter.http.request(**request)  # type: ignore[arg-type]
        again = await counter.http.request(**request)  # type: ignore[arg-type]
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.content == first.content
        assert again.headers["content-type"] == "application/json"
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        assert len(await counter.sent()) == 2

    ask(world, story)


def test_the_same_key_with_another_body_is_422_in_each_envelope(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        await counter.http.post(V2, json=SAMPLE, headers=counter.key | _ONCE)
        other = SAMPLE | {"message_body": "Another"}
        text = "This Idempotency-Key came with another request before; take a new one"
        keyed = await counter.http.post(V2, json=other, headers=counter.key | _ONCE)
        assert (keyed.status_code, keyed.json()) == (422, {"message": text})
        form = await counter.http.post(V1, data=other | counter.user, headers=_ONCE)
        assert (form.status_code, form.json()) == (422, {"error": f"{text}."})
        assert len(await counter.sent()) == 2

    ask(world, story)


def test_a_key_that_is_none_is_400(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        response = await counter.http.post(V2, json=SAMPLE, headers=counter.key | {"Idempotency-Key": "a b"})
        assert response.status_code == 400
        assert list(response.json()) == ["message"]

    ask(world, story)


def test_without_a_key_a_repeated_request_sends_again(world: World) -> None:
    async def story(counter: FormpostClient) -> None:
        await counter.keyed()
        await counter.keyed()
        assert len(await counter.sent()) == 4

    ask(world, story)
