from typing import Any

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.providers.generic_http.options import read_options

URL = {"url": "https://provider.example/send"}
WORDS = {"ref": "id", "status": "s", "words": {"ok": 13}, "signature": {"kind": "none"}}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no url": ({}, "url: is missing"),
    "relative url": ({"url": "/send"}, "url: this is not an absolute"),
    "other scheme": ({"url": "ftp://provider.example"}, "url: this is not an absolute"),
    "credential in url": (
        {"url": "https://u:hunter2@provider.example"},
        "url: a URL must have no user and password",
    ),
    "no url at all": ({"url": "http://[::1"}, "url: this is not a URL"),
    "proxy of another kind": (
        URL | {"proxy": "socks5://u:hunter2@proxy.example"},
        "proxy: this is not the URL of a proxy: write http://HOST:PORT",
    ),
    "proxy without a scheme": (
        URL | {"proxy": "proxy.example:3128"},
        "proxy: this is not the URL of a proxy",
    ),
    "unknown option": (URL | {"colour": "red"}, "colour: unknown; there are url, "),
    "misspelt option": (URL | {"receiptUrl": "http://x/"}, "receiptUrl: unknown; did you mean receipt_url?"),
    "misspelt alias": (URL | {"Json": {}}, "Json: unknown; did you mean json?"),
    "misspelt inside": (
        URL | {"auth": {"kind": "bearer", "tokn": "x"}},
        "auth.token: is missing; auth.tokn: unknown; did you mean token?",
    ),
    "two bodies": (URL | {"json": {}, "form": {}}, "options: set only one of json, form"),
    "a text beside a form": (
        URL | {"text": "{text}", "form": {}},
        "options: set only one of json, form and text",
    ),
    "text of a get": (URL | {"method": "GET", "text": "{text}"}, "options: a GET has no body"),
    "body of a get": (URL | {"method": "GET", "json": {}}, "options: a GET has no body"),
    "unknown placeholder": (URL | {"json": {"a": ["{nobody}"]}}, "json: the placeholder {nobody} is unknown"),
    "text in a header": (URL | {"headers": {"X-T": "{text}"}}, "headers: X-T has {text}"),
    "newline in a header": (URL | {"headers": {"X-T": "a\nb"}}, "headers: X-T must be one line"),
    "length in a header": (
        URL | {"headers": {"Content-Length": "5"}},
        "headers: Content-Length must not be set",
    ),
    "newline in a token": (
        URL | {"auth": {"kind": "bearer", "token": "hunter2\n"}},
        "auth.token: a secret",
    ),
    "unknown auth": (URL | {"auth": {"kind": "magic"}}, "auth: Input tag 'magic'"),
    "two references": (URL | {"reference": {"path": "a", "header": "b"}}, "reference: set exactly one of"),
    "bad regex": (URL | {"reference": {"regex": "("}}, "reference.regex"),
    "rule without condition": (
        URL | {"rules": [{"then": "accepted"}]},
        "rules.0: this rule has no condition",
    ),
    "rule of no status": (
        URL | {"rules": [{"http": "9xx", "then": "accepted"}]},
        "rules.0.http: '9xx' is not",
    ),
    "code of a cancelled": (
        URL | {"rules": [{"http": 400, "then": "rejected", "code": 27}]},
        "rules.0.code: 27 is not a code of a refusal",
    ),
    "code of an accepted": (
        URL | {"rules": [{"http": 200, "then": "accepted", "code": 38}]},
        "rules.0: code needs then: rejected",
    ),
    "opt-out of a deferred": (
        URL | {"rules": [{"http": 403, "then": "deferred", "opted_out": True}]},
        "rules.0: opted_out needs then: rejected",
    ),
    "report rule without condition": (
        URL | {"receipts": WORDS | {"rules": [{"code": 31}]}},
        "receipts.rules.0: this rule has no condition: set at least one of path, equals, in, matches",
    ),
    "report rule of a cancelled": (
        URL | {"receipts": WORDS | {"rules": [{"path": "a", "code": 27}]}},
        "receipts.rules.0.code: 27 is not a code",
    ),
    "receipt url of two lines": (
        URL | {"receipt_url": "https://our.example/a\nb"},
        "receipt_url: a URL must be one line",
    ),
    "no header of ours": (URL | {"auth": {"kind": "headers", "values": {}}}, "auth.values: "),
    "short jwt secret": (
        URL
        | {
            "receipts": WORDS
            | {"signature": {"kind": "jwt", "secret": "hunter2hunter2", "header": "X", "issuer": "y"}}
        },
        "receipts.signature.secret: ",
    ),
    "receipts without names": (
        URL | {"receipts": {"status": "s", "words": {"ok": 13}}},
        "receipts: set ref",
    ),
    "word for a cancelled": (
        URL | {"receipts": WORDS | {"words": {"ok": 13, "exp": 27}}},
        "receipts.words.exp: 27 is not a code",
    ),
    "query with hmac": (
        URL
        | {
            "receipts": WORDS
            | {
                "source": "query",
                "signature": {"kind": "hmac-sha256", "secret": "hunter2hunter2", "header": "X"},
            }
        },
        "receipts: a receipt in the query has no body",
    ),
    "empty secret": (
        URL | {"receipts": WORDS | {"signature": {"kind": "token", "token": "", "header": "X"}}},
        "receipts.signature.token",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_option_is_named_with_what_is_wrong(name: str) -> None:
    options, words = WRONG[name]
    with pytest.raises(Misconfigured) as wrong:
        read_options("acme", options)
    assert f"provider acme: {words}" in str(wrong.value)
    assert "hunter2" not in str(wrong.value)


def test_all_wrong_options_are_named_together() -> None:
    with pytest.raises(Misconfigured, match=r"url: .*; colour: "):
        read_options("acme", {"url": "x", "colour": "red"})


def test_a_secret_is_not_printed() -> None:
    options = read_options("acme", URL | {"auth": {"kind": "bearer", "token": "hunter2"}})
    assert "hunter2" not in repr(options)


def test_statuses_are_numbers_classes_ranges_and_lists() -> None:
    rules = [{"http": [200, "4xx", "500-502"], "then": "unknown"}]
    (rule,) = read_options("acme", URL | {"rules": rules}).rules
    assert rule.http == frozenset({200, *range(400, 500), 500, 501, 502})
