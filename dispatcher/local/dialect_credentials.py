"""The doors of the HTTP dialects: where each is, and what opens it, in the words of its dialect."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts.credentials import NewKey


class Door(StrEnum):
    """What a key is for. A dialect with two ways to show who one is has two doors."""

    EMESS = "emess"
    EMSGNOW = "emsgnow"
    FORMPOST = "formpost"
    FORMPOST_KEY = "formpost-key"
    SCHEDULER = "scheduler"
    SMSGATE = "smsgate"


@dataclass(frozen=True, slots=True)
class Lock:
    """What a door takes. `words` name it in the dialect: the secret, or the public half and the secret."""

    dialect: str
    kind: CredentialKind
    words: tuple[str, ...]


LOCKS: Mapping[Door, Lock] = {
    Door.EMESS: Lock("emess", CredentialKind.APP, ("appId", "secretKey")),
    Door.EMSGNOW: Lock("emsgnow", CredentialKind.API_KEY, ("apiKey",)),
    Door.FORMPOST: Lock("formpost", CredentialKind.USER, ("username", "password")),
    Door.FORMPOST_KEY: Lock("formpost", CredentialKind.API_KEY, ("apiKey",)),
    Door.SCHEDULER: Lock("scheduler", CredentialKind.BEARER, ("token",)),
    Door.SMSGATE: Lock("smsgate", CredentialKind.LOGIN, ("login", "password")),
}

PATHS: Mapping[str, tuple[str, ...]] = {
    "emess": ("/api/v0",),
    "emsgnow": ("/sms",),
    "formpost": ("/api/v1/sms/send", "/api/v2"),
    "scheduler": ("/api/v1",),
    "smsgate": ("/api/3rdparty/v1",),
}
"""Where each dialect begins, unless DISPATCHER_DIALECT_PREFIXES moves it."""


def in_words(door: Door, made: NewKey) -> dict[str, str]:
    """Give a new credential in the words of its dialect."""
    words = LOCKS[door].words
    parts = (made.name or "", made.secret)
    return dict(zip(words, parts[-len(words) :], strict=True))


def opened_by(kind: str, dialect: str) -> str:
    """Name the door that a credential opens."""
    for door, lock in LOCKS.items():
        if (lock.kind, lock.dialect) == (kind, dialect):
            return door
    return f"{dialect} {kind}"
