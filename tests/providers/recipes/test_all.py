"""Rules of every recipe."""

from importlib import resources
from typing import Any, cast

import pytest

from dispatcher.domain.delivery.provider import ProviderConfig
from dispatcher.domain.errors import Misconfigured
from dispatcher.providers.generic_http import HttpProvider
from dispatcher.providers.generic_http.options import read_options
from dispatcher.providers.generic_http.recipe import load_recipe, recipe_names
from tests.providers.cases.bird import BIRD
from tests.providers.cases.infobip import INFOBIP
from tests.providers.cases.kannel import KANNEL
from tests.providers.cases.plivo import PLIVO
from tests.providers.cases.sinch import SINCH
from tests.providers.cases.telnyx import TELNYX
from tests.providers.conformance import Case, a_message
from tests.providers.peer import always, http_reply, listening
from tests.providers.transports import run

CASES = {case.name: case for case in (BIRD, INFOBIP, KANNEL, PLIVO, SINCH, TELNYX)}

pytestmark = pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)


def options_of(case: Case, port: int = 9) -> dict[str, Any]:
    options = dict(case.options("127.0.0.1", port))
    return options | {"with": dict(cast("dict[str, str]", options["with"]))}


def test_every_recipe_is_tested_here(case: Case) -> None:
    assert sorted(CASES) == recipe_names()
    assert case.name in recipe_names()


def test_a_recipe_names_its_sources_and_says_what_each_value_is(case: Case) -> None:
    recipe = load_recipe(case.name)
    assert recipe.title
    assert all(source.startswith("https://") for source in recipe.source)
    assert recipe.source
    assert all(value.what for value in recipe.values.values())
    text = (
        resources.files("dispatcher.providers.generic_http") / "recipes" / f"{case.name}.json"
    ).read_text()
    unused = [name for name in recipe.values if f"${{{name}}}" not in text]
    assert unused == []


def with_marked_secrets(case: Case) -> dict[str, Any]:
    options = options_of(case)
    secret = [name for name, value in load_recipe(case.name).values.items() if value.secret]
    assert secret
    for number, name in enumerate(secret):
        options["with"][name] = f"secret{number}".ljust(40, "x")
    return options


def test_no_secret_is_printed(case: Case) -> None:
    assert "xxxx" not in repr(read_options("acme", with_marked_secrets(case)))


def test_no_secret_is_in_the_request_line(case: Case) -> None:
    options = with_marked_secrets(case)

    async def work() -> str:
        async with listening(always(http_reply(200, {}))) as peer:
            options["with"]["base_url"] = peer.url
            provider = HttpProvider(ProviderConfig("acme", "http", options))
            await provider.send([a_message()], lambda: True)
            await provider.close()
            (got,) = peer.requests
            return got.head.split("\r\n")[0]

    assert "secret" not in run(work())


def test_a_recipe_says_who_its_receipts_are_from(case: Case) -> None:
    receipts = read_options("acme", options_of(case)).receipts
    assert receipts is not None
    assert receipts.signature is not None


def test_every_value_without_a_default_must_be_given_and_all_faults_are_told_together(case: Case) -> None:
    needed = [name for name, value in load_recipe(case.name).values.items() if value.default is None]
    with pytest.raises(Misconfigured) as wrong:
        read_options("acme", {"recipe": case.name, "with": {"colour": "red"}})
    assert "with.colour: unknown; there are " in str(wrong.value)
    for name in needed:
        assert f"with.{name} is missing: " in str(wrong.value)


def test_a_value_of_another_form_is_refused_and_not_printed(case: Case) -> None:
    options = options_of(case)
    options["with"]["receipt_url"] = "hunter2"
    with pytest.raises(Misconfigured, match=r"with\.receipt_url must be text: ") as wrong:
        read_options("acme", options)
    assert "hunter2" not in str(wrong.value)
