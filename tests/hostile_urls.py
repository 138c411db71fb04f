"""Callback URLs that no way in may accept, each with a part of the reason."""

from collections.abc import Mapping
from typing import Final

_PRIVATE: Final = "is private"
_SPELLING: Final = "is not an IP address in its usual form"

HOSTILE_URLS: Final[Mapping[str, str]] = {
    "ftp://shop.example/": "must begin with https://",
    "gopher://shop.example/": "must begin with https://",
    "file:///etc/passwd": "must begin with https://",
    "//shop.example/": "must begin with https://",
    "https://shop.example:22/": "port 22",
    "https://shop.example:25/": "port 25",
    "https://shop.example:0/": "port 0",
    "https://shop.example:99999/": "port 99999",
    "https://me:secret@shop.example/": "user name",
    "https://shop.example@127.0.0.1/": "user name",
    "https://127.0.0.1/": _PRIVATE,
    "https://10.0.0.1/": _PRIVATE,
    "https://172.16.0.1/": _PRIVATE,
    "https://192.168.1.1/": _PRIVATE,
    "https://0.0.0.0/": _PRIVATE,
    "https://100.64.0.1/": _PRIVATE,
    "https://169.254.169.254/latest/meta-data/": _PRIVATE,
    "https://100.100.100.200/": _PRIVATE,
    "https://168.63.129.16/": _PRIVATE,
    "https://[::1]/": _PRIVATE,
    "https://[fd00:ec2::254]/": _PRIVATE,
    "https://[fe80::1]/": _PRIVATE,
    "https://[::ffff:127.0.0.1]/": _PRIVATE,
    "https://[::ffff:a83f:8110]/": _PRIVATE,
    "https://[64:ff9b::a9fe:a9fe]/": _PRIVATE,
    "https://[2002:7f00:1::]/": _PRIVATE,
    "https://localhost/": _PRIVATE,
    "https://LOCALHOST./": _PRIVATE,
    "https://redis:6379/": _PRIVATE,
    "https://metadata.google.internal/": _PRIVATE,
    "https://2130706433/": _SPELLING,
    "https://0x7f000001/": _SPELLING,
    "https://0177.0.0.1/": _SPELLING,
    "https://127.1/": _SPELLING,
    "https://127.0.0.1./": _SPELLING,
    "https://168.63.129.0x10/": _SPELLING,
    "https://bücher.example/": "printable ASCII",
    "https://127。0。0。1/": "printable ASCII",
    "https://①②⑦.⓪.⓪.①/": "printable ASCII",
    "https://127%2e0.0.1/": "host or the port",
    "https://shop.example\\@127.0.0.1/": "printable ASCII",
    f"https://shop.example/{'x' * 2048}": "characters, more than 2048",
}
