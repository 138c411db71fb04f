"""Links, files and names of the documentation exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GUIDES = ("adding-", "testing")  # pages on which the reader creates files
CODE = re.compile(r"^```.*?^```|^    .*?$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(
    r"`((?:dispatcher|workers|migrations|tests|bench|store|service|domain|docs)/[\w/.-]+\.\w+)`"
)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = []
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("page", [page for page in PAGES if not page.name.startswith(GUIDES)], ids=_name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = FILE.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    assert [
        name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "dispatcher"))
    ] == []


def test_every_name_in_the_glossary_is_in_the_code() -> None:
    rows = re.findall(
        r"^\| \*\*.+\| (.*) \|$", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    named = {name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row)}
    known = {
        name
        for package in ("dispatcher", "workers")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        for name in _defined(node)
    }
    assert sorted(named - known) == []
    assert len(named) > 50


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []
