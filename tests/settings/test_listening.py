"""The settings of where the API listens and what is in front of it."""

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.settings import load_settings
from dispatcher.settings.listening import ListenAddress, read_listen
from tests.settings.test_settings import URLS


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in URLS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FORWARDED_ALLOW_IPS", "*", "would believe everybody"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1,0.0.0.0/0", "would believe everybody"),
        ("FORWARDED_ALLOW_IPS", "::/0", "would believe everybody"),
        ("FORWARDED_ALLOW_IPS", "proxy.local", "'proxy.local' is no IP address or network"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1/8", "has host bits set"),
        ("ROOT_PATH", "sms", "is not a path like /sms"),
        ("ROOT_PATH", "/a//b", "is not a path like /sms"),
        ("ROOT_PATH", "/a/../b", "is not a path like /sms"),
        ("ROOT_PATH", "/a?b", "is not a path like /sms"),
        ("ROOT_PATH", "https://sms.example.org", "is not a path like /sms"),
        ("MANAGE_LISTEN", "8081", "neither an address and port, like 127.0.0.1:8081, nor 'off'"),
        ("MANAGE_LISTEN", "127.0.0.1:0", "neither an address"),
        ("MANAGE_LISTEN", "127.0.0.1:65536", "neither an address"),
        ("MANAGE_LISTEN", "http://127.0.0.1:8081", "neither an address"),
    ],
)
def test_a_wrong_value_stops_the_start_and_is_named(
    environment: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    environment.setenv(f"DISPATCHER_{name}", value)
    with pytest.raises(Misconfigured, match=f"DISPATCHER_{name}") as caught:
        load_settings()
    assert said in str(caught.value)


def test_an_empty_value_is_as_none(environment: pytest.MonkeyPatch) -> None:
    for name in ("FORWARDED_ALLOW_IPS", "ROOT_PATH", "MANAGE_LISTEN"):
        environment.setenv(f"DISPATCHER_{name}", "")
    settings = load_settings()
    assert (settings.public_path, read_listen(settings.manage_listen)) == ("", None)


@pytest.mark.parametrize(
    ("public_url", "root_path", "found"),
    [
        (None, None, ""),
        ("https://sms.example.org", None, ""),
        ("https://example.org/sms/", None, "/sms"),
        ("https://example.org/sms", "/other/", "/other"),
        ("https://example.org/sms", "", ""),
    ],
)
def test_the_root_path_is_that_of_the_public_url_unless_it_is_set(
    environment: pytest.MonkeyPatch, public_url: str | None, root_path: str | None, found: str
) -> None:
    for name, value in (("PUBLIC_URL", public_url), ("ROOT_PATH", root_path)):
        if value is not None:
            environment.setenv(f"DISPATCHER_{name}", value)
    assert load_settings().public_path == found


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("127.0.0.1:8081", ListenAddress("127.0.0.1", 8081)),
        ("[::1]:8081", ListenAddress("::1", 8081)),
        ("localhost:8081", ListenAddress("localhost", 8081)),
        ("off", None),
        (None, None),
    ],
)
def test_management_listens_at_an_address_or_not_at_all(
    value: str | None, address: ListenAddress | None
) -> None:
    assert read_listen(value) == address
