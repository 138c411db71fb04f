"""SQL takes statuses and places from the domain: no statement has codes of its own."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dispatcher.store
from dispatcher.domain.messages.status import TRANSITIONS, Place, Status
from dispatcher.store.status_literals import code_list, is_allowed

STORE = Path(dispatcher.store.__file__).parent
MODULES = sorted(STORE.rglob("*.py"))

CODE = re.compile(rf"(?<![\w.])({'|'.join(str(status.value) for status in Status)})(?![\w.])")
PLACE = re.compile(r"\bplace(?:, ''\))? *(?:=|<>|IN) *\(?((?:'\w*'(?:, *)?)+)")
NO_STATUS = "octet_length(digest) = 32"


def _texts(source: str) -> Iterator[str]:
    """Yield the texts in a module and the expressions in them, but not its docstrings."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def _codes(source: str) -> list[str]:
    return [text for text in _texts(source) if text != NO_STATUS and CODE.search(text)]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(STORE)))
def test_no_statement_has_the_code_of_a_status(module: Path) -> None:
    assert not _codes(module.read_text())


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(STORE)))
def test_a_statement_has_only_places_that_exist(module: Path) -> None:
    listed_places = [found for text in _texts(module.read_text()) for found in PLACE.findall(text)]
    named = {name for found in listed_places for name in re.findall(r"\w+", found)}
    assert named <= set(Place)


@pytest.mark.parametrize(
    "statement",
    [
        "text('SELECT id FROM messages WHERE status = 12')",
        "text('UPDATE messages SET status = CASE WHEN doubts = 0 THEN 27 ELSE 39 END')",
        "text(f'SELECT id FROM {table} WHERE status IN (10, 11)')",
        "text(f'SELECT id FROM messages WHERE status = {90}')",
    ],
)
def test_a_code_in_a_statement_would_be_found(statement: str) -> None:
    assert _codes(statement)


def test_statuses_are_listed_in_the_order_of_their_codes() -> None:
    assert code_list({Status.PENDING, Status.SCHEDULED}) == "10, 11"


def test_the_condition_of_allowed_transitions_has_each_of_the_table() -> None:
    cases = re.findall(r"WHEN (\d+) THEN n IN \(([^)]+)\)", is_allowed("o", "n"))
    read = {Status(int(old)): {Status(int(new)) for new in following.split(", ")} for old, following in cases}
    assert read == {old: following for old, following in TRANSITIONS.items() if following}
