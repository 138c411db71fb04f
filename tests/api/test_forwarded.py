"""Whom the API believes about a client's address and scheme."""

import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatcher.api.proxies.forwarded import TrustedProxies
from dispatcher.settings.listening import read_networks

CLIENT = "203.0.113.9"


def scope(peer: str | None, *headers: tuple[str, str], scheme: str = "http") -> dict[str, Any]:
    return {
        "type": "http",
        "client": None if peer is None else (peer, 50_000),
        "scheme": scheme,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }


def client_of(trusted: str, peer: str | None, *forwarded_for: str) -> str:
    headers = [("X-Forwarded-For", value) for value in forwarded_for]
    return str(TrustedProxies(read_networks(trusted)).resolve(scope(peer, *headers))["client"][0])


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.0.0.7", CLIENT])
def test_without_the_setting_nobody_is_believed_not_even_this_machine(peer: str) -> None:
    assert client_of("", peer, "198.51.100.1") == peer


def test_only_named_peers_are_believed() -> None:
    assert client_of("10.0.0.0/24", "10.0.0.7", CLIENT) == CLIENT
    assert client_of("10.0.0.0/24", "10.0.1.7", CLIENT) == "10.0.1.7"


@pytest.mark.parametrize(
    "invented",
    [
        "198.51.100.1",
        "127.0.0.1",
        "10.0.0.1",
        "unknown",
        "nonsense, ,",
        '"',
        "10.0.0.7, 10.0.0.8",
        "," * 60_000,
    ],
)
def test_what_a_client_invents_before_its_own_address_is_never_believed(invented: str) -> None:
    assert client_of("10.0.0.0/24", "10.0.0.7", f"{invented}, {CLIENT}") == CLIENT
    assert client_of("10.0.0.0/24", "10.0.0.7", f"{invented}, {CLIENT}, 10.0.0.8") == CLIENT
    assert client_of("10.0.0.0/24", "10.0.0.7", invented, CLIENT) == CLIENT, "several headers are one list"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (f"{CLIENT}:4711", CLIENT),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:DB8::7]:4711", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        (f"::ffff:{CLIENT}", CLIENT),
    ],
)
def test_an_address_may_have_a_port_and_brackets(written: str, read: str) -> None:
    assert client_of("127.0.0.1, ::1", "127.0.0.1", written) == read
    assert client_of("127.0.0.1, ::1", "::1", written) == read


def test_a_peer_in_a_socket_of_both_families_is_known_by_its_ipv4_address() -> None:
    assert client_of("10.0.0.0/24", "::ffff:10.0.0.7", CLIENT) == CLIENT


@pytest.mark.parametrize("unreadable", ["unknown", "_hidden", "", "300.1.1.1", "é"])
def test_an_unreadable_address_ends_the_search_at_the_last_proxy(unreadable: str) -> None:
    assert client_of("10.0.0.0/24", "10.0.0.7", f"{CLIENT}, {unreadable}") == "10.0.0.7"
    assert client_of("10.0.0.0/24", "10.0.0.7", f"{CLIENT}, {unreadable}, 10.0.0.8") == "10.0.0.8"


def test_a_request_that_begins_at_a_proxy_is_that_proxy_s() -> None:
    assert client_of("10.0.0.0/24", "10.0.0.7", "10.0.0.9") == "10.0.0.9"


def test_a_unix_socket_has_no_peer_to_believe() -> None:
    found = TrustedProxies(read_networks("127.0.0.1")).resolve(scope(None, ("X-Forwarded-For", CLIENT)))
    assert found["client"] is None


@pytest.mark.parametrize(
    ("reported", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http, https", "https"), ("gopher", "http"), ("", "http")],
)
def test_the_scheme_is_what_the_nearest_proxy_reports(reported: str, scheme: str) -> None:
    proxies = TrustedProxies(read_networks("127.0.0.1"))
    asked = ("127.0.0.1", ("X-Forwarded-Proto", reported))
    assert proxies.resolve(scope(*asked))["scheme"] == scheme
    assert TrustedProxies(()).resolve(scope(*asked))["scheme"] == "http"


def test_forwarded_of_rfc_7239_is_not_read_because_proxies_pass_on_the_client_s() -> None:
    headers = [("Forwarded", "for=198.51.100.1;proto=https"), ("X-Forwarded-For", CLIENT)]
    proxies = TrustedProxies(read_networks("127.0.0.1"))
    found = proxies.resolve(scope("127.0.0.1", *headers))
    assert (found["client"][0], found["scheme"]) == (CLIENT, "http")
    assert proxies.resolve(scope("127.0.0.1", headers[0]))["client"][0] == "127.0.0.1"


def test_a_proxy_that_is_not_believed_is_named_once_in_the_log() -> None:
    proxies = TrustedProxies(read_networks("10.0.0.0/24"))
    with capture_logs() as lines:
        proxies.resolve(scope("9.9.9.9", ("X-Forwarded-For", CLIENT)))  # anybody may write the header
        for _ in range(3):
            proxies.resolve(scope("172.17.0.2", ("X-Forwarded-For", CLIENT)))
    assert [(line["event"], line["peer"]) for line in lines] == [("proxy_not_believed", "172.17.0.2")]
    assert lines[0]["setting"] == "DISPATCHER_FORWARDED_ALLOW_IPS"


def test_a_head_full_of_addresses_costs_little() -> None:
    many = ", ".join(["10.0.0.1"] * 6000)
    proxies = TrustedProxies(read_networks("10.0.0.0/24"))

    asked = scope("10.0.0.7", ("X-Forwarded-For", many))
    started = time.process_time()
    for _ in range(200):
        assert proxies.resolve(asked)["client"][0] == "10.0.0.1"
    assert time.process_time() - started < 2
