"""
A transcript: requests as a document prints them, with the answers it promises.

Exchanges begin with `### title`. `{{name}}` in a request is a variable, given
or captured. In an expected answer `<type>` and `<name:type>` stand for any
value of a type, the latter is captured; all else is compared to the letter,
keys in their order. "..." ends an array of any length. Lines that begin with
`//` before the request are comments.
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
    """One request and the answer that is promised."""

    title: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    expected_headers: Mapping[str, str]
    expected_body: str

    async def run(self, client: httpx.AsyncClient, variables: dict[str, str]) -> None:
        """Send the request and compare the answer; what it captures goes into `variables`."""
        response = await client.request(
            self.method,
            _filled(self.path, variables),
            headers={name: _filled(value, variables) for name, value in self.headers.items()},
            content=_filled(self.body, variables).encode(),
        )
        assert response.status_code == self.status, response.text
        for name, expected in self.expected_headers.items():
            _compare(_filled(expected, variables), response.headers.get(name), variables, f"header {name}")
        self._compare_body(response, variables)

    def _compare_body(self, response: httpx.Response, variables: dict[str, str]) -> None:
        expected = _filled(self.expected_body, variables)
        if expected.startswith(("{", "[")):
            _compare(json.loads(expected), json.loads(response.text), variables, "body")
        else:
            assert response.text.strip() == expected


def read(file: Path) -> list[Exchange]:
    """Read all exchanges of a transcript."""
    chunks = re.split(r"^### ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [_exchange(chunk) for chunk in chunks]


def _exchange(chunk: str) -> Exchange:
    title, _, rest = chunk.partition("\n")
    rest = "\n".join(line for line in rest.splitlines() if not line.startswith("//"))
    asked, _, answered = rest.strip().partition("\nHTTP ")
    request_line, headers, body = _parts(asked)
    method, _, path = request_line.partition(" ")
    status, expected_headers, expected_body = _parts(answered)
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


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables[found[1]], text)


def _compare(expected: object, found: object, variables: dict[str, str], where: str) -> None:
    match expected:
        case str() if placeholder := _PLACEHOLDER.fullmatch(expected):
            assert _is(placeholder[2], found), f"{where}: {found!r} is no {placeholder[2]}"
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


def _is(kind: str, value: object) -> bool:
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
