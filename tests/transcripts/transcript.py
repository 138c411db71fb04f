"""
Read and run transcripts: requests as a document prints them, with the documented answers.

Exchanges begin with `### title`. `{{name}}` in a request is a variable, set by
the test or captured from an earlier answer. In an expected answer `<type>` and
`<name:type>` stand for any value of a type, and the latter captures it; all
other text must be equal, with keys in the same order. "..." at the end of an
array allows any length. Lines that begin with `//` before the request are
comments.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import httpx

_PLACEHOLDER = re.compile(r"<(?:(\w+):)?(string|int|bool|uuid|time|any)>")
_VARIABLE = re.compile(r"\{\{(\w+)\}\}")
_MORE = "..."


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its documented answer."""

    title: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    expected_headers: Mapping[str, str]
    expected_body: str

    async def run(self, client: httpx.AsyncClient, variables: dict[str, str]) -> None:
        """Send the request, compare the answer, and add captured values to `variables`."""
        response = await client.request(
            self.method,
            _fill(self.path, variables),
            headers={name: _fill(value, variables) for name, value in self.headers.items()},
            content=_fill(self.body, variables).encode(),
        )
        assert response.status_code == self.status, response.text
        for name, expected in self.expected_headers.items():
            _compare(_fill(expected, variables), response.headers.get(name), variables, f"header {name}")
        self._compare_body(response, variables)

    def _compare_body(self, response: httpx.Response, variables: dict[str, str]) -> None:
        expected = _fill(self.expected_body, variables)
        if expected.startswith(("{", "[")):
            _compare(json.loads(expected), json.loads(response.text), variables, "body")
        else:
            assert response.text.strip() == expected


def read(file: Path) -> list[Exchange]:
    """Return all exchanges of a transcript."""
    chunks = re.split(r"^### ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [_exchange(chunk) for chunk in chunks]


def _exchange(chunk: str) -> Exchange:
    title, _, rest = chunk.partition("\n")
    rest = "\n".join(line for line in rest.splitlines() if not line.startswith("//"))
    request, _, response = rest.strip().partition("\nHTTP ")
    request_line, headers, body = _parts(request)
    method, _, path = request_line.partition(" ")
    status, expected_headers, expected_body = _parts(response)
    return Exchange(
        title=title.strip(),
        method=method,
        path=path.strip(),
        headers=headers,
        body=body,
        status=int(status.split()[0]),
        expected_headers=expected_headers,
        expected_body=expected_body,
    )


def _parts(text: str) -> tuple[str, dict[str, str], str]:
    head, _, body = text.strip().partition("\n\n")
    first, *lines = head.splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return first, headers, body.strip()


def _fill(text: str, variables: Mapping[str, str]) -> str:
    if missing := sorted({*_VARIABLE.findall(text)} - variables.keys()):
        raise AssertionError(
            f"no value for {', '.join(missing)}: add it to _variables in test_transcripts.py"
        )
    return _VARIABLE.sub(lambda found: variables[found[1]], text)


def _compare(expected: object, found: object, variables: dict[str, str], where: str) -> None:
    match expected:
        case str() if placeholder := _PLACEHOLDER.fullmatch(expected):
            assert _has_type(placeholder[2], found), f"{where}: {found!r} is not of type {placeholder[2]}"
            if placeholder[1]:
                variables[placeholder[1]] = str(found)
        case dict():
            assert isinstance(found, dict), f"{where}: {found!r}"
            assert list(found) == list(expected), where
            for key, value in expected.items():
                _compare(value, found[key], variables, f"{where}.{key}")
        case list():
            assert isinstance(found, list), f"{where}: {found!r}"
            _compare_items(expected, found, variables, where)
        case _:
            assert found == expected, where
            assert type(found) is type(expected), where


def _compare_items(
    expected: list[object], found: list[object], variables: dict[str, str], where: str
) -> None:
    if expected and expected[-1] == _MORE:
        expected = expected[:-1] + [expected[-2]] * (len(found) - len(expected) + 1)
    assert len(found) == len(expected), f"{where}: {found!r}"
    for index, (one, other) in enumerate(zip(expected, found, strict=True)):
        _compare(one, other, variables, f"{where}[{index}]")


def _has_type(kind: str, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "int":
            return type(value) is int or (isinstance(value, str) and value.isdigit())
        case "bool":
            return isinstance(value, bool)
        case "uuid":
            return isinstance(value, str) and str(UUID(value)) == value
        case "time":
            return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    return True
