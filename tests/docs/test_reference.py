"""The reference says what the docstrings say."""

import pytest

from scripts.write_reference import PAGES, REFERENCE, render


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_docstrings_make(name: str) -> None:
    written = (REFERENCE / f"{name}.md").read_text(encoding="utf-8")
    assert written == render(name), "the docstrings have changed: run `make reference`"


def test_no_other_page_is_there() -> None:
    assert {path.stem for path in REFERENCE.glob("*.md")} == set(PAGES)
