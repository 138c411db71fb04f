import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.providers.generic_http.options import HttpOptions, read_options
from dispatcher.providers.generic_http.recipe import apply_recipe

WITH = {
    "service_plan_id": "plan1",
    "api_token": "t-o-k-e-n",
    "webhook_secret": "a-webhook-secret",
    "receipt_url": "https://sms.our.example/receipts/sinch",
}


def sinch(**more: object) -> HttpOptions:
    return read_options("acme", {"recipe": "sinch", "with": WITH, **more})


def test_the_values_are_put_into_the_recipe() -> None:
    assert sinch().url == "https://us.sms.api.sinch.com/xms/v1/plan1/batches"


def test_options_without_a_recipe_are_left_as_they_are() -> None:
    options = {"url": "https://provider.example", "json": {"a": "${b}"}}
    assert apply_recipe("acme", options) == options


def test_with_needs_a_recipe() -> None:
    with pytest.raises(Misconfigured, match="with: unknown"):
        read_options("acme", {"url": "https://provider.example", "with": {}})


def test_other_options_replace_those_of_the_recipe() -> None:
    assert sinch(url="https://proxy.example/sinch").url == "https://proxy.example/sinch"
    assert sinch(rules=[{"http": 403, "then": "rejected"}]).rules[0].then == "rejected"


def test_an_object_is_merged_one_level_deep() -> None:
    token = {"kind": "token", "token": "another-secret", "query": "t"}
    options = sinch(json={"body": "[{text}]", "flash_message": True}, receipts={"signature": token})
    assert options.body_json["body"] == "[{text}]"
    assert options.body_json["flash_message"] is True
    assert options.body_json["from"] == "{sender}"
    assert options.receipts is not None
    assert options.receipts.ref == "batch_id"
    assert type(options.receipts.signature).__name__ == "TokenSignature"


def test_a_value_is_never_read_as_a_placeholder() -> None:
    options = sinch(**{"with": WITH | {"api_token": "${webhook_secret}"}})
    assert options.auth is not None
    assert options.auth.headers() == {"Authorization": "Bearer ${webhook_secret}"}


@pytest.mark.parametrize("wrong", ["a/../b", "plan1 ", "", 7, None])
def test_a_value_matches_all_of_its_pattern(wrong: object) -> None:
    with pytest.raises(Misconfigured, match=r"with\.service_plan_id"):
        sinch(**{"with": WITH | {"service_plan_id": wrong}})


def test_an_unknown_recipe_is_refused_with_the_likely_one_or_the_known_ones() -> None:
    for name, advice in (
        ("../sinch", "did you mean sinch"),
        ("acme", "there are bird, infobip, kannel, plivo"),
    ):
        with pytest.raises(Misconfigured, match=f"the recipe '{name}' is unknown; {advice}"):
            read_options("acme", {"recipe": name})


@pytest.mark.parametrize("given", [None, [], "api_token"])
def test_with_is_an_object(given: object) -> None:
    with pytest.raises(Misconfigured, match="with must be an object"):
        read_options("acme", {"recipe": "sinch", "with": given})
