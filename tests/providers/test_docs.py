"""The pages of the plug-ins agree with the code."""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dispatcher.providers import smsgate, twilio, vonage
from dispatcher.providers.base import HttpPlugin, PluginOptions, read_options
from dispatcher.settings import ProviderSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "providers"
GROUP = "sms_dispatcher.providers"
ENTRY_POINTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "entry-points"
][GROUP]
PLUGINS = {name: EntryPoint(name, target, GROUP).load() for name, target in ENTRY_POINTS.items()}


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


def options(plugin: type) -> type[PluginOptions]:
    """Return the options of an HTTP plug-in: the one such class in its module."""
    [found] = [
        value
        for value in vars(sys.modules[plugin.__module__]).values()
        if isinstance(value, type) and issubclass(value, PluginOptions) and value is not PluginOptions
    ]
    return found


PAGES = {
    name: options(plugin)
    for name, plugin in PLUGINS.items()
    if isinstance(plugin, type) and issubclass(plugin, HttpPlugin)
}


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_each_plug_in_has_a_page(name: str) -> None:
    assert page(name).startswith(f"# The `{name}` provider\n")


def test_the_plug_ins_of_one_provider_are_found_by_their_names() -> None:
    assert (
        PAGES.items()
        >= {
            "smsgate": smsgate.SmsGateOptions,
            "twilio": twilio.TwilioOptions,
            "vonage": vonage.VonageOptions,
        }.items()
    )


@pytest.mark.parametrize("name", PAGES)
def test_the_example_is_a_valid_provider(name: str) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", page(name), re.DOTALL)
    settings = ProviderSettings.model_validate(json.loads(example.replace("…", "a-long-enough-secret")))
    assert settings.plugin == name
    read_options(PAGES[name], settings.config())


@pytest.mark.parametrize("name", PAGES)
def test_every_option_is_explained(name: str) -> None:
    assert [option for option in PAGES[name].model_fields if f"`{option}`" not in page(name)] == []


def test_every_code_of_twilio_is_in_the_row_of_what_it_means() -> None:
    rows = re.findall(r"^\| (\d\d|later)(.*?) \| (\d{5}.*) \|$", page("twilio"), re.MULTILINE)
    documented = {
        str(code): (end, "opt-outs" in more) for end, more, codes in rows for code in _listed(codes)
    }
    assert documented == {
        code: ("later" if failure.is_deferred else str(failure.status.value), failure.opted_out)
        for code, failure in twilio.ERROR_CODES.items()
    }


@pytest.mark.parametrize(
    ("head", "codes"),
    [
        (
            "status",
            {code: str(end.value) if end else "later" for code, end in vonage.SUBMIT_STATUSES.items()},
        ),
        ("`err-code`", {code: str(failure.status.value) for code, failure in vonage.FAILURES.items()}),
    ],
)
def test_every_code_of_vonage_is_in_the_row_of_what_it_means(head: str, codes: dict[str, str]) -> None:
    _, _, table = page("vonage").partition(f"| {head} | means |\n")
    rows = re.findall(r"^\| (.+?) \| (\d\d|later)", table.partition("\n\n")[0], re.MULTILINE)
    assert {str(code): end for listed, end in rows for code in _listed(listed)} == codes


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("twilio", twilio.MESSAGE_STATUSES),
        ("vonage", vonage.RECEIPT_STATUSES),
        ("smsgate", smsgate.STATES),
        ("smsgate", smsgate.EVENTS),
        ("smsgate", smsgate.FAILURES),
    ],
)
def test_every_word_is_explained(name: str, words: dict[str, object]) -> None:
    assert [word for word in words if f"`{word}`" not in page(name)] == []


def _listed(text: str) -> Iterator[int]:
    """Return each code of "1, 3 to 5"."""
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", text):
        yield from range(int(first), int(last or first) + 1)
