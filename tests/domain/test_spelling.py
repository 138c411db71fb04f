"""What was probably meant by a name that is unknown."""

import pytest

from dispatcher.domain.spelling import likely_name, unknown_name

NAMES = ("not_before", "not_after", "sender", "text", "tier", "tps", "recipients")


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("notBefore", "not_before"),
        ("Not-After", "not_after"),
        ("NOTBEFORE", "not_before"),
        ("recipient", "recipients"),
        ("teir", "tier"),
        ("tsp", "tps"),
        ("txt", "text"),
        ("sendr", "sender"),
        ("send_at", None),
        ("colour", None),
        ("", None),
        ("текст", None),
        ("x" * 100_000, None),
    ],
)
def test_a_name_is_recognised_whatever_its_case_and_separators(name: str, likely: str | None) -> None:
    assert likely_name(name, NAMES) == likely


def test_without_a_likely_name_all_are_listed() -> None:
    assert unknown_name("colour", ("a", "b")) == "unknown; there are a, b"
    assert unknown_name("colour", ()) == "unknown; there are none"
