"""
The OpenAPI documents can be turned into clients: nothing in them is ambiguous, dangling or internal.

They are those of the dialects and of the management API.

A generator that meets such a thing leaves the operation out with a warning, and its users miss it.
"""

import keyword
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dispatcher.api.app import DIALECTS
from dispatcher.api.manage import management

APIS = {api.name: api for api in (*DIALECTS, management)}
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}

NEVER_SUCCEED = ("/logs", "/attachments/{part_id}")
"""Operations of SMS Gateway that are not implemented here."""

pytestmark = pytest.mark.parametrize("name", APIS)


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = APIS[name].openapi()
    return found


def operations(name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(name)["paths"].items():
        assert methods.keys() <= METHODS
        for method, operation in methods.items():
            yield path, method, operation


def nodes(value: object) -> Iterator[dict[str, Any]]:
    match value:
        case dict():
            yield value
            for inner in value.values():
                yield from nodes(inner)
        case list():
            for inner in value:
                yield from nodes(inner)


def test_each_api_describes_operations(name: str) -> None:
    assert document(name)["openapi"].startswith("3.1.")
    assert any(operations(name))


def test_component_names_are_plain_identifiers_that_differ_by_more_than_case(name: str) -> None:
    schemas = document(name).get("components", {}).get("schemas", {})
    wrong = [schema for schema in schemas if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", schema)]
    assert wrong == []
    assert len({schema.lower() for schema in schemas}) == len(schemas)
    titles = [schema.get("title", title) for title, schema in schemas.items()]
    assert len(set(titles)) == len(titles)  # generators name classes after titles
    assert not any(keyword.iskeyword(schema) for schema in schemas)


def test_nothing_shows_the_modules_of_our_code(name: str) -> None:
    assert "dispatcher__" not in str(document(name))
    assert not re.search(r"dispatcher\.(api|domain|service)", str(document(name)))


def test_each_operation_has_an_id_of_its_own_that_is_an_identifier(name: str) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(name)]
    assert all(one.isidentifier() for one in ids)
    assert len({one.lower() for one in ids}) == len(ids)


def test_every_reference_leads_to_a_component_and_every_component_is_used(name: str) -> None:
    whole = document(name)
    refs = {node["$ref"] for node in nodes(whole) if isinstance(node.get("$ref"), str)}
    schemas = whole.get("components", {}).get("schemas", {})
    assert refs == {f"#/components/schemas/{schema}" for schema in schemas}


def test_every_parameter_of_a_path_is_described_and_required(name: str) -> None:
    for path, method, operation in operations(name):
        described = [p for p in operation.get("parameters", []) if p["in"] == "path"]
        assert {p["name"] for p in described} == set(re.findall(r"{(\w+)}", path)), (method, path)
        assert all(p["required"] and p["schema"] for p in described)
        names = [(p["in"], p["name"]) for p in operation.get("parameters", [])]
        assert len(set(names)) == len(names)


def test_every_operation_describes_what_it_answers(name: str) -> None:
    for path, method, operation in operations(name):
        codes = [code for code in operation["responses"] if re.fullmatch(r"2\d\d", code)]
        assert codes or path.endswith(NEVER_SUCCEED), (method, path)
        for response in operation["responses"].values():
            assert response["description"]
            assert all("schema" in content for content in response.get("content", {}).values())
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["schema"]


def test_a_discriminator_names_the_schema_of_each_value(name: str) -> None:
    for node in nodes(document(name)):
        if isinstance(found := node.get("discriminator"), dict):
            members = {ref["$ref"] for ref in node.get("oneOf", [])}
            assert set(found["mapping"].values()) == members
