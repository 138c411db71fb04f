"""SMS Scheduler authenticates a key before anything else."""

import pytest

from tests.api.client import ApiClient, run_with_api
from tests.api.scheduler.sample import PATH, body
from tests.world import World

_WHO = {"errors": {"authorization": ["Invalid or missing API key"]}}


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", "sms_x", "bearer \xff"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("GET", f"{PATH}/x"), ("DELETE", "/api/v1/message/1")]
)
def test_without_a_valid_key_it_is_401_before_anything_is_validated(
    world: World, method: str, path: str, value: str | None
) -> None:
    async def story(api: ApiClient) -> None:
        headers = [(b"Authorization", value.encode("latin-1"))] if value is not None else []
        del api.http.headers["Authorization"]
        response = await api.http.request(method, path, content=b"not json", headers=headers)
        assert response.status_code == 401
        assert response.json() == _WHO
        assert response.headers["www-authenticate"] == "Bearer"

    run_with_api(world, story)


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "BEARER"])
def test_the_scheme_may_be_in_any_case(world: World, scheme: str) -> None:
    async def story(api: ApiClient) -> None:
        _, key = api.http.headers["Authorization"].split()
        response = await api.http.post(PATH, json=body(api), headers={"Authorization": f"{scheme} {key}"})
        assert response.status_code == 200

    run_with_api(world, story)
