"""The documents agree with the code."""

import json
import re
from pathlib import Path

from dispatcher.providers.generic_http.batch import BatchFormat
from dispatcher.providers.generic_http.conditions import ResponseRule
from dispatcher.providers.generic_http.options import HttpOptions, read_options
from dispatcher.providers.generic_http.receipt_options import InboundOptions, ReceiptOptions, ReportRule
from dispatcher.providers.generic_http.recipe import load_recipe, recipe_names
from dispatcher.providers.generic_http.signature import (
    Ed25519Signature,
    HmacSignature,
    JwtSignature,
    TokenSignature,
)
from dispatcher.providers.generic_http.template import PLACEHOLDERS
from dispatcher.sandbox import SandboxSettings
from dispatcher.sandbox.numbers import SPECIAL

DOCS = Path(__file__).parents[2] / "docs"
SANDBOX = (DOCS / "sandbox.md").read_text()
FORMS = (
    *(HttpOptions, BatchFormat, ResponseRule, ReceiptOptions, ReportRule, InboundOptions),
    *(TokenSignature, HmacSignature, Ed25519Signature, JwtSignature),
)
HTTP = (DOCS / "providers" / "http.md").read_text()


def test_the_table_of_numbers_is_the_codes() -> None:
    rows = re.findall(r"^\| 9900(\d\d) \| (.+) \|$", SANDBOX, re.MULTILINE)
    assert rows == [(ending, script.what) for ending, script in SPECIAL.items()]


def test_every_setting_is_explained() -> None:
    assert [name for name in SandboxSettings.model_fields if f"`{name}`" not in SANDBOX] == []


def test_every_option_and_placeholder_is_explained() -> None:
    names = [field.alias or name for form in FORMS for name, field in form.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in HTTP] == []
    assert [name for name in PLACEHOLDERS if f"`{{{name}}}`" not in HTTP] == []


def test_every_recipe_has_its_page_with_its_values_and_its_sources() -> None:
    index = (DOCS / "README.md").read_text()
    for name in recipe_names():
        page = (DOCS / "providers" / f"{name}.md").read_text()
        recipe = load_recipe(name)
        assert f"providers/{name}.md" in index
        assert [value for value in recipe.values if f"`{value}`" not in page] == []
        assert [source for source in recipe.source if source.partition(" ")[0] not in page] == []


def test_the_examples_are_valid_sets_of_options() -> None:
    example, recipe = re.findall(r"```json\n(.*?)```", HTTP, re.DOTALL)
    read_options("acme", json.loads(example.replace("…", "a-long-enough-secret")))
    read_options("acme", json.loads(recipe.replace("…", "a-long-enough-secret")))
