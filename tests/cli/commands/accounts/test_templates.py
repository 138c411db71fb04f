"""`dispatcher template`."""

import io
from collections.abc import Sequence

import pytest

from tests.cli.command import Run, refused


@pytest.fixture
def code(shop: Run) -> str:
    """Return the id of a template `code` of the account `shop`."""
    return str(
        shop("template", "add", "shop", "code", "Your code is {{code}}, {{name}}", "--json").json["id"]
    )


def test_a_template_is_kept_under_a_name_and_found_by_its_id(shop: Run) -> None:
    created = shop("template", "add", "shop", "hello", "Hello {{name}}")
    assert created.out.startswith("template ")
    assert created.out.endswith(" of shop is hello\n")
    template_id = created.out.split()[1]
    shown = shop("template", "show", "shop", template_id)
    assert shown.out == "Hello {{name}}\n"
    assert shown.err.startswith("hello, created ")
    printed = shop("template", "show", "shop", template_id, "--json").json
    assert (printed["id"], printed["name"], printed["text"]) == (template_id, "hello", "Hello {{name}}")
    assert shop("template", "list", "shop", "--json").json == [printed]


def test_the_list_has_a_line_for_each_template(shop: Run, code: str) -> None:
    shop("template", "add", "shop", "lines", "one\ntwo")
    header, first, second = shop("template", "list", "shop").out.splitlines()
    assert header.split() == ["id", "name", "changed", "(UTC)", "text"]
    assert first.split()[:2] == [code, "code"]
    assert second.endswith("  one two")


def test_a_text_may_come_from_standard_input(shop: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    assert shop("template", "add", "shop", "lines", "-", "--json").json["text"] == "one\ntwo"


@pytest.mark.parametrize(
    ("content", "words"), [(b"caf\xe9", "is not UTF-8"), (b"a\0b", "holds a NUL character")]
)
def test_standard_input_that_is_not_utf8_text_is_refused(
    shop: Run, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
    refused(shop("template", "add", "shop", "bytes", "-"), 2, f"standard input {words}")


def test_a_changed_template_has_a_new_text_and_the_same_id(shop: Run, code: str) -> None:
    assert (
        shop("template", "change", "shop", code, "{{code}}").out
        == f"template {code} of shop has a new text\n"
    )
    assert shop("template", "show", "shop", code).out == "{{code}}\n"


def test_the_name_of_a_removed_template_can_be_used_again(shop: Run, code: str) -> None:
    refused(shop("template", "add", "shop", "code", "x"), 1, "account 'shop' already has a template 'code'")
    assert shop("template", "remove", "shop", code).out == f"template {code} of shop is removed\n"
    refused(shop("template", "show", "shop", code), 1, f"there is no template '{code}'")
    assert shop("template", "add", "shop", "code", "x").code == 0


def test_a_preview_is_what_would_be_sent(shop: Run, code: str) -> None:
    filled = shop("template", "preview", "shop", code, "code=47=11", "name=Ada :+1:")
    assert (filled.out, filled.err) == ("Your code is 47=11, Ada :+1:\n", "1 segment\n")
    long = shop("template", "preview", "shop", code, "code=4711", f"name={'a' * 160}", "--json").json
    assert long["segments"] == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["code=4711"], "missing: name"),
        (["code=4711", "Ada"], "'Ada' is not a variable: give name=value"),
        (["=4711"], "'=4711' is not a variable"),
        (["code=1", "code=2", "name=Ada"], "variable code is given twice"),
    ],
)
def test_a_preview_with_wrong_variables_names_them(
    shop: Run, code: str, given: Sequence[str], words: str
) -> None:
    refused(shop("template", "preview", "shop", code, *given), 2, words)


def test_a_template_belongs_to_its_account(shop: Run, code: str) -> None:
    shop("account", "create", "other")
    for command in (["show"], ["change"], ["remove"], ["preview"]):
        text = ["text"] if command == ["change"] else []
        ended = shop("template", *command, "other", code, *text)
        refused(ended, 1, f"there is no template '{code}'")
    assert shop("template", "list", "other", "--json").json == []


def test_a_template_needs_a_text(shop: Run) -> None:
    refused(shop("template", "add", "shop", "empty", "  "), 2, "a template needs a text")
