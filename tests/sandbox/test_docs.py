"""The documents say what the code does."""

import json
import re
from pathlib import Path

from dispatcher.providers.http.options import HttpOptions, Receipts, read_options
from dispatcher.providers.http.template import NAMES
from dispatcher.sandbox import Settings
from dispatcher.sandbox.numbers import SPECIAL

DOCS = Path(__file__).parents[2] / "docs"
SANDBOX = (DOCS / "sandbox.md").read_text()
HTTP = (DOCS / "providers" / "http.md").read_text()


def test_the_table_of_numbers_is_the_codes() -> None:
    rows = re.findall(r"^\| 9900(\d\d) \| (.+) \|$", SANDBOX, re.MULTILINE)
    assert rows == [(ending, script.what) for ending, script in SPECIAL.items()]


def test_every_setting_is_explained() -> None:
    assert [name for name in Settings.model_fields if f"`{name}`" not in SANDBOX] == []


def test_every_option_and_placeholder_is_explained() -> None:
    names = [
        field.alias or name for form in (HttpOptions, Receipts) for name, field in form.model_fields.items()
    ]
    assert [name for name in names if f"`{name}`" not in HTTP] == []
    assert [name for name in NAMES if f"`{{{name}}}`" not in HTTP] == []


def test_the_example_is_a_valid_set_of_options() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", HTTP, re.DOTALL)
    read_options("acme", json.loads(example.replace("…", "a-long-enough-secret")))
