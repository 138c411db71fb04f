"""Templates: only `{{name}}` is replaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.messages.template import MissingVariables, render, variables


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{a}}", "1"),
        ("{{a}}{{a}}", "11"),
        ("{{ a }}", "{{ a }}"),
        ("{a}", "{a}"),
        ("{{a", "{{a"),
        ("{{{a}}}", "{1}"),
        ("{{}}", "{{}}"),
        ("{{a|upper}}{% x %}${a}%(a)s", "{{a|upper}}{% x %}${a}%(a)s"),
        ("{{a.b}} {{c-d}}", "2 3"),
    ],
)
def test_only_a_name_in_double_braces_is_replaced(template: str, result: str) -> None:
    assert render(template, {"a": "1", "a.b": "2", "c-d": "3"}) == result


def test_variables_are_named_once_in_their_order() -> None:
    assert variables("{{b}}{{a}}{{b}}") == ("b", "a")


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(MissingVariables) as caught:
        render("{{b}}{{a}}{{c}}", {"a": ""})
    assert caught.value.names == ("b", "c")


@given(st.text(), st.text())
def test_a_text_without_braces_is_unchanged(before: str, value: str) -> None:
    plain = before.replace("{", "").replace("}", "")
    assert render(plain, {"a": value}) == plain
    assert render(plain + "{{a}}", {"a": value}) == plain + value
