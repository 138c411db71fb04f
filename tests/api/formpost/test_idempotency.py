"""An Idempotency-Key makes the same request again give the same answer, in both surfaces and for GET too."""

from collections.abc import Mapping

import pytest

from tests.api.formpost.client import SAMPLE, V1, V2, FormpostClient, run_with_api
from tests.world import World

_ONCE = {"Idempotency-Key": "order-42"}


def _request(api: FormpostClient, method: str, path: str) -> Mapping[str, object]:
    headers = _ONCE | (api.key if path == V2 else {})
    fields = SAMPLE | (api.user if path == V1 else {})
    return {"method": method, "url": path, "headers": headers, "params": fields}


@pytest.mark.parametrize(("method", "path"), [("POST", V1), ("POST", V2), ("GET", V2)])
def test_a_repeated_request_gets_the_first_response_and_sends_nothing(
    world: World, method: str, path: str
) -> None:
    async def story(api: FormpostClient) -> None:
        request = _request(api, method, path)
        first = await api.http.request(**request)  # type: ignore[arg-type]
        again = await api.http.request(**request)  # type: ignore[arg-type]
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.content == first.content
        assert again.headers["content-type"] == "application/json"
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        assert len(await api.sent()) == 2

    run_with_api(world, story)


def test_the_same_key_with_another_body_is_422_in_each_envelope(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await api.http.post(V2, json=SAMPLE, headers=api.key | _ONCE)
        other = SAMPLE | {"message_body": "Another"}
        text = "This Idempotency-Key came with another request before; take a new one"
        keyed = await api.http.post(V2, json=other, headers=api.key | _ONCE)
        assert (keyed.status_code, keyed.json()) == (422, {"message": text})
        form = await api.http.post(V1, data=other | api.user, headers=_ONCE)
        assert (form.status_code, form.json()) == (422, {"error": f"{text}."})
        assert len(await api.sent()) == 2

    run_with_api(world, story)


def test_an_invalid_key_is_400(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        response = await api.http.post(V2, json=SAMPLE, headers=api.key | {"Idempotency-Key": "a b"})
        assert response.status_code == 400
        assert list(response.json()) == ["message"]

    run_with_api(world, story)


def test_without_a_key_a_repeated_request_sends_again(world: World) -> None:
    async def story(api: FormpostClient) -> None:
        await api.keyed()
        await api.keyed()
        assert len(await api.sent()) == 4

    run_with_api(world, story)
