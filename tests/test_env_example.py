"""`.env.example` names every setting and nothing else, with the defaults of the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from dispatcher.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
LINES = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
NAMED = [found for line in LINES if (found := re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=(.*)", line))]
GIVEN: dict[str, str] = {found[1]: found[2] for found in NAMED}

# Read elsewhere than in Settings: by the command line, and by docker-compose.yml.
COMMAND_LINE = {
    "DISPATCHER_DATA",
    "DISPATCHER_FLOWER_AUTH",
    "DISPATCHER_FLOWER_HOST",
    "DISPATCHER_SANDBOX_SECRET",
}
COMPOSE = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


def _variable(field: str) -> str:
    return field.upper() if field in {"database_url", "redis_url"} else f"DISPATCHER_{field.upper()}"


FIELDS = {_variable(field): field for field in Settings.model_fields}


def test_every_setting_is_named() -> None:
    assert sorted(FIELDS.keys() - GIVEN.keys()) == []


def test_nothing_else_is_named() -> None:
    files = {f"{name}_FILE" for name in FIELDS}
    assert sorted(GIVEN.keys() - FIELDS.keys() - files - COMMAND_LINE - COMPOSE) == []


def test_every_variable_that_compose_reads_is_named() -> None:
    assert sorted(COMPOSE - GIVEN.keys()) == []


def test_each_name_occurs_once() -> None:
    assert sorted(found[1] for found in NAMED) == sorted(GIVEN)


def test_every_line_is_commented_out() -> None:
    assert [line for line in LINES if line and not line.startswith("#")] == []


@pytest.mark.parametrize(
    ("name", "field"),
    [(n, f) for n, f in FIELDS.items() if not Settings.model_fields[f].is_required()],
)
def test_the_default_shown_is_the_one_of_the_code(name: str, field: str) -> None:
    shown, default = GIVEN[name], Settings.model_fields[field].default
    kind: Any = Settings.model_fields[field].annotation
    if shown == "":
        assert default is None
        return
    value = json.loads(shown) if shown[0] in '[{"' else shown
    assert TypeAdapter(kind).validate_python(value) == default
