"""Templates: `{{name}}` is replaced, and doubled braces that nothing fills are found."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.messages.template import (
    MissingVariables,
    fold_name,
    render,
    same_names,
    stray_braces,
    unfilled_braces,
    unknown_names,
    variables,
    warnings,
)

TEXTS = st.text('{}ab "_-', max_size=12) | st.text(max_size=12)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{a}}", "1"),
        ("{{a}}{{a}}", "11"),
        ("{{ a }}", "1"),
        ("{{\u00a0A\n}}", "1"),
        ("{a}", "{a}"),
        ("{% x %}${a}%(a)s", "{% x %}${a}%(a)s"),
        ("{{a.b}} {{c-d}} {{C_D}} {{cd}}", "2 3 3 3"),
    ],
)
def test_only_a_name_in_double_braces_is_replaced(template: str, result: str) -> None:
    assert render(template, {"a": "1", "a.b": "2", "c-d": "3"}) == result


@pytest.mark.parametrize(
    "name", ["First Name", "first_name", "FIRST-NAME", "firstname", " First\u2010Name\u200b"]
)
@pytest.mark.parametrize("written", ["First Name", " first name ", "First_name", "FIRSTNAME"])
def test_case_blanks_hyphens_and_underscores_of_a_name_make_no_difference(name: str, written: str) -> None:
    assert render(f"Hi {{{{{written}}}}}", {name: "Ann"}) == "Hi Ann"


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("prénom", "pre\u0301nom"),
        ("Имя", "имя"),
        ("名前", "名前"),
        ("الاسم", "الاسم"),
        ("STRASSE", "straße"),
        ("ｎａｍｅ", "name"),
        ("Betrag (€)", "betrag(€)"),
        ("Customer #", "customer#"),
    ],
)
def test_a_name_has_letters_of_any_script_in_any_form_of_unicode(column: str, written: str) -> None:
    assert render(f"{{{{ {written} }}}}", {column: "x"}) == "x"


def test_the_name_as_written_wins_over_one_that_differs_in_what_makes_no_difference() -> None:
    assert render("{{a_b}}", {"a b": "1", "a_b": "2"}) == "2"


def test_a_value_is_not_chosen_from_two_names_that_differ_in_what_makes_no_difference() -> None:
    with pytest.raises(MissingVariables):
        render("{{ab}}", {"a b": "1", "a_b": "2"})


def test_variables_are_named_once_in_their_order_as_written() -> None:
    assert variables("{{b}}{{ A }}{{B}}{{a}}") == ("b", "A")


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(MissingVariables) as caught:
        render("{{b}}{{a}}{{c}}", {"a": ""})
    assert caught.value.names == ("b", "c")


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("Hi {{name}, hello", "'{{name}'"),
        ("Hi {name}}, hello", "'{name}}'"),
        ("Hi name}}", "'}}'"),
        ("Hi {{{name}}}", "'{{{name}}}'"),
        ("Hi {{}}", "'{{}}'"),
        ("Hi {{ - }}", "'{{ - }}'"),
        ("Hi {{name", "'{{name'"),
        ("Hi {a} and b}}", "'}}'"),
        ("{{na{{me}}", "'{{na'"),
        ('{"a":{{x}}}', "'{{x}}}'"),
        ("{{" + "x" * 300 + "}}", "'{{" + "x" * 28 + "'"),
    ],
)
def test_doubled_braces_that_are_no_placeholder_are_found(text: str, excerpt: str) -> None:
    assert stray_braces(text).startswith(f"{excerpt}; write {{{{name}}}}")
    assert unfilled_braces(text)


@pytest.mark.parametrize("text", ["{{name}}", "Hi {{ First Name }}, {{prénom}}: {a}", '{"a": {{x}} }'])
def test_a_placeholder_is_no_stray_and_must_be_filled_before_the_text_is_sent(text: str) -> None:
    assert stray_braces(text) == ""
    assert unfilled_braces(text)


@pytest.mark.parametrize("text", ["", ":-}", "{name}", "{ {x} }", "}{", "a } } b", '{"a":{"b":[{"c":{}}]}}'])
def test_braces_that_are_not_doubled_and_json_are_text(text: str) -> None:
    assert stray_braces(text) == unfilled_braces(text) == ""


json_values = st.recursive(
    st.integers() | st.text("ab ", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
)


@given(json_values)
def test_any_json_is_text(value: object) -> None:
    assert unfilled_braces(json.dumps(value, separators=(",", ":"))) == ""


def test_a_name_without_a_column_is_reported_with_the_columns() -> None:
    assert unknown_names("{{nick}} {{First_Name}}", ["first name", "city"], of="file") == (
        "names nick, which the file has no column for; it has first name, city",
    )


def test_a_column_in_single_braces_is_a_warning() -> None:
    [warning] = warnings("Hi {First Name} {other} {{first name}}", ["first_name"])
    assert warning == "{First Name} is sent as it stands: write {{First Name}} for the value of this column"


def test_two_names_that_differ_in_what_makes_no_difference_are_found() -> None:
    assert same_names(["a", "First Name", "b", "first_name"]) == ("First Name", "first_name")
    assert same_names(["a", "b"]) is None


@given(st.text(), st.text())
def test_a_text_without_braces_is_unchanged(before: str, value: str) -> None:
    plain = before.replace("{", "").replace("}", "")
    assert render(plain, {"a": value}) == plain
    assert render(plain + "{{a}}", {"a": value}) == plain + value


@given(TEXTS)
def test_a_text_that_is_no_template_is_filled_or_refused(text: str) -> None:
    if not stray_braces(text):
        assert unfilled_braces(render(text, dict.fromkeys(variables(text), "x"))) == ""


@given(st.text())
def test_a_folded_name_is_folded(name: str) -> None:
    assert fold_name(fold_name(name)) == fold_name(name)
