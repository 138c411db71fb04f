"""docs/security.md: each requirement in scope has a test that exists, or a reason."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")

# The levels of the requirements of each section, in order: ASVS 5.0.0, docs_en, chapters in scope.
LEVELS = {
    "V1.1": "22",
    "V1.2": "1111122223",
    "V1.3": "112222222223",
    "V1.4": "222",
    "V1.5": "123",
    "V2.1": "122",
    "V2.2": "112",
    "V2.3": "12223",
    "V2.4": "23",
    "V4.1": "12233",
    "V4.2": "23333",
    "V4.3": "22",
    "V4.4": "1222",
    "V5.1": "2",
    "V5.2": "112333",
    "V5.3": "113",
    "V5.4": "222",
    "V6.1": "122",
    "V6.2": "111111112222",
    "V6.3": "11223333",
    "V6.4": "112233",
    "V6.5": "22222333",
    "V6.6": "2223",
    "V6.7": "33",
    "V6.8": "2222",
    "V7.1": "222",
    "V7.2": "1111",
    "V7.3": "22",
    "V7.4": "11222",
    "V7.5": "223",
    "V7.6": "22",
    "V8.1": "1233",
    "V8.2": "1123",
    "V8.3": "133",
    "V8.4": "23",
    "V9.1": "111",
    "V9.2": "1222",
    "V11.1": "2233",
    "V11.2": "22233",
    "V11.3": "11233",
    "V11.4": "1222",
    "V11.5": "23",
    "V11.6": "23",
    "V11.7": "33",
    "V12.1": "12233",
    "V12.2": "11",
    "V12.3": "22223",
    "V13.1": "2333",
    "V13.2": "222223",
    "V13.3": "2233",
    "V13.4": "1222233",
    "V14.1": "22",
    "V14.2": "12223333",
    "V14.3": "122",
    "V15.1": "12233",
    "V15.2": "12233",
    "V15.3": "1222222",
    "V15.4": "3333",
    "V16.1": "2",
    "V16.2": "22222",
    "V16.3": "2222",
    "V16.4": "222",
    "V16.5": "2223",
}
REQUIRED = {
    **{f"API{number}:2023": "" for number in range(1, 11)},
    **{
        f"{section}.{number}": level
        for section, levels in LEVELS.items()
        for number, level in enumerate(levels, 1)
        if level in "12"
    },
}
# Sections whose requirements are for a document.
DOCUMENTS = {"V2.1", "V5.1", "V6.1", "V7.1", "V8.1", "V11.1", "V13.1", "V14.1", "V15.1", "V16.1"}

TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
REASON = re.compile(r"(Does not apply|Not met|Yours): \S.{8,}")
DOCUMENT = re.compile(r"Document: .*(\]\([^)]+\)|OpenAPI document)")
ROW = re.compile(r"^\| (API\d+:2023|V\d+(?:\.\d+)+)\b(.*) \|$", re.MULTILINE)


@cache
def _tests(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.exists():
        return frozenset()
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef))


def _faults(page: str) -> Iterator[str]:
    """Yield what is wrong with the rows of a page."""
    seen: list[str] = []
    for name, rest in ROW.findall(page):
        seen.append(name)
        cells = rest.split(" | ")
        if name.startswith("V") and cells[1] != REQUIRED.get(name):
            yield f"{name}: level {cells[1]}"
        yield from (f"{name}: {fault}" for fault in _faults_of_evidence(name, cells[-1]))
    yield from (f"{name}: missing" for name in REQUIRED if name not in seen)
    yield from (f"{name}: more than once, or not required" for name in seen if seen.count(name) > 1)


def _faults_of_evidence(name: str, evidence: str) -> Iterator[str]:
    tests = TEST.findall(evidence)
    yield from (f"no {path}::{test}" for path, test in tests if test not in _tests(path))
    if evidence.startswith("Document:"):
        if name.rpartition(".")[0] not in DOCUMENTS or not DOCUMENT.match(evidence):
            yield "a document is no evidence here, or is not named"
    elif evidence.startswith("Partly:"):
        if not tests or len(TEST.sub("", evidence)) < 30:
            yield "neither tests for one part nor a reason for the other"
    elif not (evidence.startswith("`tests/") and tests) and not REASON.match(evidence):
        yield "neither a test nor a reason"


def test_each_requirement_has_a_test_or_a_reason() -> None:
    assert list(_faults(PAGE)) == []


def test_the_requirements_are_those_of_the_standard() -> None:
    levels = "".join(LEVELS.values())
    assert len(levels) == 266  # 345 less those of V3, V10 and V17
    assert sum(name.startswith("V") for name in REQUIRED) == len(levels) - levels.count("3")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (r"^\| V9\.1\.2 .*\n", "", "V9.1.2: missing"),
        (r"^\| API7:2023 .*\n", "", "API7:2023: missing"),
        (r"^(\| V9\.1\.2 \|) 1", r"\1 2", "V9.1.2: level 2"),
        (r"^(\| V9\.1\.2 .*\|) `.*", r"\1 it is so |", "V9.1.2: neither a test nor a reason"),
        (r"^(\| V9\.1\.2 .*\|) `.*", r"\1 Not met: |", "V9.1.2: neither a test nor a reason"),
        (r"^(\| V9\.1\.2 .*\|) `.*", r"\1 Partly: |", "V9.1.2: neither tests for one part"),
        (r"^(\| V9\.1\.2 .*\|) `.*", r"\1 Document: [x](y) |", "V9.1.2: a document is no evidence"),
        (r"(^\| V9\.1\.2 .*::test_)", r"\1no_", "V9.1.2: no tests/service/accounts/test_tokens.py::test_no_"),
        (r"(^\| V9\.1\.2 .*\n)", r"\1\1", "V9.1.2: more than once"),
        (r"(^\| V9\.1\.2 .*\n)", r"\1| V1.2.10 | 3 | x | Not met: for a reason |\n", "V1.2.10: level 3"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, fault: str) -> None:
    planted = re.sub(old, new, PAGE, count=1, flags=re.MULTILINE)
    assert planted != PAGE
    assert any(found.startswith(fault) for found in _faults(planted))
