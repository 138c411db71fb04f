"""Settings come from the environment and from files, and are checked at the start with readable errors."""

import json
import re
from pathlib import Path

import pytest

from dispatcher.bootstrap import open_providers
from dispatcher.domain.errors import Misconfigured
from dispatcher.domain.hours.allowed_hours import parse_hours
from dispatcher.domain.inbound.keywords import KeywordAction
from dispatcher.domain.tier import Tier
from dispatcher.settings import ProviderSettings, load_settings

URLS = {"DATABASE_URL": "postgresql://u:hidden@h/d", "REDIS_URL": "redis://h/0"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return an environment with only the two URLs."""
    for name, value in URLS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_two_urls_are_enough_and_are_not_shown(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert settings.database_url.get_secret_value() == URLS["DATABASE_URL"]
    assert "hidden" not in repr(settings)


def test_missing_urls_are_named_together(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    environment.delenv("REDIS_URL")
    with pytest.raises(Misconfigured) as caught:
        load_settings()
    assert "DATABASE_URL" in str(caught.value)
    assert "REDIS_URL" in str(caught.value)


def test_a_file_holds_a_secret(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.delenv("DATABASE_URL")
    environment.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    (tmp_path / "url").write_text("postgresql://from/file\n")
    assert load_settings().database_url.get_secret_value() == "postgresql://from/file"


def test_a_missing_file_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("REDIS_URL")
    environment.setenv("REDIS_URL_FILE", "/nowhere/url")
    with pytest.raises(Misconfigured, match="REDIS_URL_FILE names a file that cannot be read: /nowhere/url"):
        load_settings()


def test_providers_are_json_and_a_bad_field_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DISPATCHER_PROVIDERS", json.dumps([{"name": "a", "plugin": "http", "tps": 0}]))
    with pytest.raises(Misconfigured, match=r"DISPATCHER_PROVIDERS\.0\.tps"):
        load_settings()
    rates = {"name": "a", "plugin": "http", "sender_tps": {"SHOP": 0}}
    environment.setenv("DISPATCHER_PROVIDERS", json.dumps([rates]))
    with pytest.raises(Misconfigured, match=r"DISPATCHER_PROVIDERS\.0\.sender_tps\.SHOP"):
        load_settings()
    environment.setenv("DISPATCHER_PROVIDERS", "[{")
    with pytest.raises(Misconfigured, match="DISPATCHER_PROVIDERS is not JSON"):
        load_settings()


@pytest.mark.parametrize("url", ["sms.example.org", "ftp://sms.example.org", "https://x/?y", "https:///x"])
def test_an_invalid_public_url_is_refused(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("DISPATCHER_PUBLIC_URL", url)
    with pytest.raises(Misconfigured, match="DISPATCHER_PUBLIC_URL"):
        load_settings()


def test_a_provider_s_receipt_url_is_below_the_public_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DISPATCHER_PUBLIC_URL", "https://sms.example.org/in/")
    environment.setenv("DISPATCHER_PROVIDERS", json.dumps([{"name": "a", "plugin": "http"}]))
    settings = load_settings()
    config = settings.providers[0].config(settings.public_url)
    assert config.receipt_url == "https://sms.example.org/in/receipts/a"


def test_poll_is_refused_for_a_plug_in_that_cannot_poll(
    environment: pytest.MonkeyPatch,
) -> None:
    options = {"url": "http://127.0.0.1:1"}
    provider = {"name": "a", "plugin": "http", "options": options, "poll": 30}
    environment.setenv("DISPATCHER_PROVIDERS", json.dumps([provider]))
    with pytest.raises(Misconfigured, match="'a' has `poll`, but its plug-in cannot ask"):
        open_providers(load_settings())


def test_a_providers_own_doubt_policy_comes_before_the_tiers(environment: pytest.MonkeyPatch) -> None:
    providers = [
        {"name": "own", "plugin": "http", "doubt": {"bulk": 2}},
        {"name": "dedupes", "plugin": "http", "dedupes": True},
    ]
    environment.setenv("DISPATCHER_PROVIDERS", json.dumps(providers))
    settings = load_settings()
    assert settings.doubt("own", Tier.BULK).resends == 2
    assert settings.doubt("own", Tier.CRITICAL).resends == 3
    assert settings.doubt("dedupes", Tier.BULK).resends > 10
    assert settings.doubt(None, Tier.BULK).resends == 0


def test_a_doubt_policy_for_one_tier_keeps_the_defaults_of_the_others(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("DISPATCHER_DOUBT_RESENDS", '{"bulk": 1}')
    settings = load_settings()
    assert [settings.doubt(None, tier).resends for tier in Tier] == [3, 3, 1]


def test_allowed_hours_are_json_by_tier(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DISPATCHER_HOURS", '{"bulk": {"mon-fri": ["08:00-20:00"]}}')
    assert load_settings().hours == {Tier.BULK: parse_hours({"mon-fri": ["08:00-20:00"]})}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{"bulk": {"mon": ["8-20"]}}', "bulk: \"mon\" has '8-20', which is not a span of time"),
        ('{"urgent": {"mon": ["08:00-20:00"]}}', "DISPATCHER_HOURS.urgent"),
        ('{"bulk": "always"}', "DISPATCHER_HOURS.bulk"),
        ("[]", "DISPATCHER_HOURS: Input should be a valid dictionary"),
    ],
)
def test_invalid_allowed_hours_are_named(environment: pytest.MonkeyPatch, value: str, said: str) -> None:
    environment.setenv("DISPATCHER_HOURS", value)
    with pytest.raises(Misconfigured, match=re.escape(said)):
        load_settings()


def test_keywords_replace_those_of_their_action(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DISPATCHER_KEYWORDS", '{"stop": ["GENUG"]}')
    words = load_settings().keyword_list
    assert [words.action(text) for text in ("genug", "stop", "start")] == [
        KeywordAction.STOP,
        None,
        KeywordAction.START,
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{"stop": ["?"]}', "DISPATCHER_KEYWORDS: Value error, stop: '?' is not a word"),
        ('{"start": ["stop"]}', "DISPATCHER_KEYWORDS: Value error, 'stop' asks for stop and for start"),
        ('{"halt": ["stop"]}', "DISPATCHER_KEYWORDS.halt"),
        ('{"stop": "stop"}', "DISPATCHER_KEYWORDS.stop"),
        ("STOP", "DISPATCHER_KEYWORDS is not JSON"),
    ],
)
def test_invalid_keywords_are_named(environment: pytest.MonkeyPatch, value: str, said: str) -> None:
    environment.setenv("DISPATCHER_KEYWORDS", value)
    with pytest.raises(Misconfigured, match=re.escape(said)):
        load_settings()


def test_a_value_takes_precedence_over_a_file(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REDIS_URL_FILE", "/nowhere/url")
    assert load_settings().redis_url.get_secret_value() == URLS["REDIS_URL"]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgres+asyncpg"])
def test_a_database_url_may_have_any_scheme_of_postgres(environment: pytest.MonkeyPatch, scheme: str) -> None:
    environment.setenv("DATABASE_URL", f"{scheme}://u:hidden@h/d")
    assert load_settings().database_url.get_secret_value().startswith(scheme)


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql", "sqlite", "postgresqlx", "redisx", "unix"])
def test_a_url_of_another_server_is_refused_with_its_scheme_and_without_its_password(
    environment: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    environment.setenv(name, f"{scheme}://u:hidden@h/d")
    with pytest.raises(Misconfigured) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name} is not like ")
    assert str(caught.value).endswith(f": its scheme is '{scheme}'")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("value", ["hidden", "u:hidden@h/d", "u:hidden://h", ""])
def test_an_invalid_url_is_refused_and_not_shown(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(Misconfigured, match=f"^{name} is not like ") as caught:
        load_settings()
    assert "hidden" not in str(caught.value)


def test_a_secret_of_a_provider_may_be_a_variable_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("DISPATCHER_ACME_TOKEN", "from the environment {x} ${DISPATCHER_X}")
    monkeypatch.setenv("DISPATCHER_ACME_KEY_FILE", str(tmp_path / "secret"))
    options = {
        "auth": {"token": "${DISPATCHER_ACME_TOKEN}"},
        "keys": ["${DISPATCHER_ACME_KEY}", "${text}", 5],
    }
    assert ProviderSettings(name="acme", plugin="http", options=options).options == {
        "auth": {"token": "from the environment {x} ${DISPATCHER_X}"},
        "keys": ["from a file", "${text}", 5],
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("${DISPATCHER_NOTHING}", "set DISPATCHER_NOTHING, or DISPATCHER_NOTHING_FILE"),
        ("${DISPATCHER_GONE}", "DISPATCHER_GONE_FILE names a file that cannot be read: /nowhere"),
        ("Bearer ${DISPATCHER_NOTHING}", "must be a whole value"),
    ],
)
def test_a_reference_to_nothing_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    monkeypatch.setenv("DISPATCHER_GONE_FILE", "/nowhere")
    provider = {"name": "acme", "plugin": "http", "options": {"auth": {"token": value}}}
    monkeypatch.setenv("DISPATCHER_PROVIDERS", json.dumps([provider]))
    with pytest.raises(Misconfigured, match=said):
        load_settings()
