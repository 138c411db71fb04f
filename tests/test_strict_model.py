"""Faults of documents: by field, with the likely name, and without secrets."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, SecretStr, ValidationError

from dispatcher.domain.errors import FieldError
from dispatcher.strict_model import StrictModel, describe, field_errors


class TokenLogin(StrictModel):
    kind: Literal["token"]
    token: SecretStr = Field(min_length=8)


class NameLogin(StrictModel):
    kind: Literal["name"]
    user_name: str


class Document(StrictModel):
    login: Annotated[TokenLogin | NameLogin, Field(discriminator="kind")]
    sender: int | str | None = None
    plain: int | None = Field(None, alias="text")
    many: list[int] = []  # noqa: RUF012


TOKEN = {"kind": "token", "token": "12345678"}


def faults_of(document: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as wrong:
        Document.model_validate(document)
    errors = wrong.value.errors()
    return {f.field: f.sentence for f in field_errors(errors, document, with_values=True)}


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({"login": TOKEN, "sendr": 1}, {"sendr": "unknown; did you mean sender?"}),
        ({"login": TOKEN, "txt": 1}, {"txt": "unknown; did you mean text?"}),
        ({"login": TOKEN, "plain": 1}, {"plain": "unknown; there are login, sender, text, many"}),
        (
            {"login": {"kind": "name", "userName": "a"}},
            {"login.user_name": "is missing", "login.userName": "unknown; did you mean user_name?"},
        ),
        ({"login": {"kind": "token"}}, {"login.token": "is missing"}),
        (
            {"login": TOKEN, "many": [1, "x"]},
            {"many.1": 'must be a valid integer, unable to parse string as an integer, not "x"'},
        ),
        ({"login": TOKEN, "sender": []}, {"sender": "must be a whole number, or must be a text"}),
        ({"sendr": 1}, {"login": "is missing", "sendr": "unknown; did you mean sender?"}),
        ([], {"": "must be a valid dictionary or instance of Document"}),
    ],
)
def test_each_fault_names_its_field_and_nothing_of_pydantics(document: Any, faults: dict[str, str]) -> None:
    assert faults_of(document) == faults


def test_a_secret_is_in_no_fault() -> None:
    document = {"login": {"kind": "token", "token": "s3cret"}, "sender": {"s3cret": 1}, "unknown": "s3cret"}
    assert "s3cret" not in str(faults_of(document))
    with pytest.raises(ValidationError) as wrong:
        Document.model_validate(document)
    assert "s3cret" not in describe(wrong.value, document)


def test_a_long_value_is_cut() -> None:
    [fault] = field_errors(
        [{"type": "int_parsing", "loc": ("n",), "msg": "Input should be x", "input": "9" * 400}],
        {"n": "9" * 400},
        with_values=True,
    )
    assert fault == FieldError("n", f'must be x, not "{"9" * 49}…')
