"""The tour names what really runs when a message travels, and all of it."""

import re

import pytest

from dispatcher.settings import Settings
from tests.conftest import empty
from tests.docs.road import PARTS, ROOT, Part, Road, travel

TOUR = ROOT / "docs" / "development" / "tour.md"
HEADINGS = {"submit": "1. Submit", "deliver": "2. Deliver", "receipt": "3. Receipt"}

each_part = pytest.mark.parametrize("part", PARTS)


@pytest.fixture(scope="module")
def road(servers: tuple[str, str]) -> Road:
    database_url, redis_url = servers
    empty(database_url)
    return travel(Settings.model_validate({"DATABASE_URL": database_url, "REDIS_URL": redis_url}))


def _section(part: Part) -> str:
    [text] = re.findall(
        rf"^## {HEADINGS[part]}\n(.*?)^## ", TOUR.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(text)


def _files(text: str) -> list[str]:
    return re.findall(r"\]\(\.\./\.\./([\w/]+\.py)\)", text)


def _rows(part: Part) -> list[tuple[list[str], list[str]]]:
    """Read the files and the functions of each hop."""
    cells = [
        line.strip("|").split("|")[1:] for line in _section(part).splitlines() if "](../../" in line[:200]
    ]
    return [(_files(row[0]), re.findall(r"`([\w.]+)`", row[1])) for row in cells if len(row) == 2]


def _matches(qualified: str, name: str) -> bool:
    return qualified == name or qualified.endswith(f".{name}")


@each_part
def test_each_function_of_a_hop_runs_in_one_of_its_files(road: Road, part: Part) -> None:
    ran = road.ever(part)
    assert len(_rows(part)) >= 9
    missing = [
        (files, name)
        for files, names in _rows(part)
        for name in names
        if not any(file in files and _matches(qualified, name) for file, qualified in ran)
    ]
    assert missing == []


@each_part
def test_each_file_of_the_tour_is_on_the_road(road: Road, part: Part) -> None:
    ran = {file for file, _ in road.ever(part)}
    assert sorted(set(_files(_section(part))) - ran) == []


@each_part
def test_no_file_of_the_road_is_missing(road: Road, part: Part) -> None:
    ran = {file for file, _ in road.always(part)}
    assert sorted(ran - set(_files(_section(part)))) == []


@each_part
def test_the_count_is_the_number_of_files(part: Part) -> None:
    [count] = re.findall(r"\b(\d+) files:", _section(part))
    assert int(count) == len(set(_files(_section(part))))


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)", TOUR.read_text(encoding="utf-8"))
    assert [link for link in links if not (TOUR.parent / link).exists()] == []
