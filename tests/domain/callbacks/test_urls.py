import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.callbacks.urls import MAX_URL_LENGTH, UrlRules, check_url, is_public

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",  # CGNAT
    "127.0.0.1",
    "127.255.255.254",
    "100.100.100.200",  # Alibaba's metadata
    "168.63.129.16",  # Azure's own services
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",  # IPv4-compatible, which nobody routes
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:0:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::168.63.129.16",
    "::ffff:168.63.129.16",
    "2002:a83f:8110::1",  # 6to4 of 168.63.129.16
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:c0a8:1::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # AWS's metadata
    "fd20:ce::254",  # Google's metadata
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
NO_ADDRESS = [
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "8.8.8.8.",
    " 8.8.8.8",
    "[::1]",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_or_special_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_text_that_is_not_an_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_embedded_in_ipv6_has_the_same_result(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    carried = [f"::ffff:{high}:{low}", f"64:ff9b::{high}:{low}", f"2002:{high}:{low}::1"]
    assert {is_public(text) for text in carried} == {is_public(str(address))}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com/hook?x=1&y=%20#part",
        "HTTPS://EXAMPLE.COM:8443/",
        "https://example.com./",
        "https://my_service-1.example.com/@home",
        "https://xn--bcher-kva.example/",
        "https://8.8.8.8:443/",
        "https://[2606:4700:4700::1111]:443/",
        "https://[::ffff:8.8.8.8]/",
        "https://1.example.com/",
        "https://localhost.example.com/",
        "http://example.com:/",
        "http://example.com:80/",
        "http://example.com:1024/",
        "https://example.com:65535/",
        "http://example.com?user@x",
    ],
)
def test_a_public_url_may_be_called(url: str) -> None:
    assert check_url(url, UrlRules()) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "printable ASCII"),
        ("example.com", "must begin with https:// or http://"),
        ("//example.com", "must begin with https:// or http://"),
        ("ftp://example.com", "not with ftp"),
        ("file:///etc/passwd", "not with file"),
        ("javascript:alert(1)", "not with javascript"),
        ("http:example.com", "no host"),
        ("http:///path", "no host"),
        ("http://?q", "no host"),
        ("http://:80/", "host or the port"),
        ("http://a@example.com", "user name"),
        ("http://a:b@example.com", "user name"),
        ("http://@example.com", "user name"),
        ("http://example.com:0/", "port 0"),
        ("http://example.com:65536/", "port 65536"),
        ("http://example.com:22/", "the port 22 may not be called: only 80, 443, and 1024 to 65535"),
        ("https://example.com:25/", "port 25"),
        ("https://8.8.8.8:53/", "port 53"),
        ("https://[2606:4700:4700::1111]:1023/", "port 1023"),
        ("http://example.com:00025/", "port 00025"),
        ("http://example.com:-1/", "host or the port"),
        ("http://example.com:+80/", "host or the port"),
        ("http://example.com:8_0/", "host or the port"),
        ("http://example.com:http/", "host or the port"),
        ("http://a..b/", "host or the port"),
        ("http://.example.com/", "host or the port"),
        ("http://example.com../", "host or the port"),
        ("http://ex%61mple.com/", "host or the port"),
        ("http://127%2e0.0.1/", "host or the port"),
        (f"http://{'a' * 64}.example/", "host or the port"),
        (f"http://{'a.' * 127}example/", "host or the port"),
        ("https://xn--.com/x", "the host xn--.com is not a valid name"),
        ("https://a.xn--0.example/", "is not a valid name"),
        ("http://[::1", "cannot be read"),
        ("http://[::1]evil.example/", ""),
        ("http://x[::1]/", ""),
        ("http://[v1.x]/", ""),
        ("http://[8.8.8.8]/", ""),
        ("http://[12345::]/", ""),
        ("http://[fe80::1%25eth0]/", ""),
        ("http://example.com\\@8.8.8.8/", "backslashes"),
        ("http://exa\nmple.com/", "printable ASCII"),
        ("http://example.com/\r\nX: y", "printable ASCII"),
        (" http://example.com/", "printable ASCII"),
        ("http://example.com/\n", "printable ASCII"),
        ("http://bücher.example/", "printable ASCII"),
        ("http://①②⑦.⓪.⓪.①/", "printable ASCII"),
        ("http://127。0。0。1/", "printable ASCII"),
    ],
)
def test_a_url_that_may_never_be_called_has_a_reason(url: str, reason: str) -> None:
    for allow_private in (False, True):
        assert reason in require(check_url(url, UrlRules(allow_private)))


def require(fault: str | None) -> str:
    assert fault is not None
    return fault


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "169.254.169.254",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost:8000",
        "api.localhost",
        "redis",
        "redis.",
        "redis:6379",
        "metadata.google.internal",
        "METADATA.GOOGLE.INTERNAL.",
        "printer.local",
        "168.63.129.16",
        "[fd00:ec2::254]",
        "100.100.100.200",
    ],
)
def test_a_private_host_may_be_called_only_if_allowed(host: str) -> None:
    assert require(check_url(f"http://{host}/", UrlRules())).endswith(" is private")
    assert check_url(f"http://{host}/", UrlRules(allow_private=True)) is None


def test_the_reason_has_the_private_address() -> None:
    fault = check_url("http://127.0.0.1:9000/x?token=secret", UrlRules())
    assert fault == "the address 127.0.0.1 is private"


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "127.0.0.0x1",
        "0x",
        "127.0.0.1.",
        "8.8.8.8.",
        "08.8.8.8",
        "256.1.1.1",
        "1.2.3.4.5",
        "134744072",
        "example.1",
    ],
)
def test_an_ipv4_address_in_an_unusual_form_is_refused(host: str) -> None:
    for allow_private in (False, True):
        assert require(check_url(f"http://{host}/", UrlRules(allow_private))).endswith(
            "is not an IP address in its usual form"
        )


def test_http_is_refused_if_only_https_is_allowed() -> None:
    assert require(check_url("http://example.com/", UrlRules(https_only=True))) == (
        "the URL must begin with https://, not with http://"
    )
    assert check_url("https://example.com/", UrlRules(https_only=True)) is None


def test_a_url_of_2048_characters_is_the_longest() -> None:
    longest = "https://example.com/".ljust(MAX_URL_LENGTH, "x")
    assert check_url(longest, UrlRules()) is None
    assert "2049 characters" in require(check_url(longest + "x", UrlRules()))


@given(st.text(max_size=60) | st.text(max_size=40).map("http://{}".format))
def test_any_text_is_checked_without_an_error(text: str) -> None:
    check_url(text, UrlRules())
    is_public(text)
