"""The doors of the HTTP dialects: where each is, and what opens it, in the words of its dialect."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts.credentials import NewKey


class CredentialUse(StrEnum):
    """What a key is for. A dialect with two ways to show who one is has two doors."""

    EMESS = "emess"
    EMSGNOW = "emsgnow"
    FORMPOST = "formpost"
    FORMPOST_KEY = "formpost-key"
    SCHEDULER = "scheduler"
    SMSGATE = "smsgate"


@dataclass(frozen=True, slots=True)
class DialectCredential:
    """What a door takes. `words` name it in the dialect: the secret, or the public half and the secret."""

    dialect: str
    kind: CredentialKind
    words: tuple[str, ...]


CREDENTIALS: Mapping[CredentialUse, DialectCredential] = {
    CredentialUse.EMESS: DialectCredential("emess", CredentialKind.APP, ("appId", "secretKey")),
    CredentialUse.EMSGNOW: DialectCredential("emsgnow", CredentialKind.API_KEY, ("apiKey",)),
    CredentialUse.FORMPOST: DialectCredential("formpost", CredentialKind.USER, ("username", "password")),
    CredentialUse.FORMPOST_KEY: DialectCredential("formpost", CredentialKind.API_KEY, ("apiKey",)),
    CredentialUse.SCHEDULER: DialectCredential("scheduler", CredentialKind.BEARER, ("token",)),
    CredentialUse.SMSGATE: DialectCredential("smsgate", CredentialKind.LOGIN, ("login", "password")),
}

PATHS: Mapping[str, tuple[str, ...]] = {
    "emess": ("/api/v0",),
    "emsgnow": ("/sms",),
    "formpost": ("/api/v1/sms/send", "/api/v2"),
    "scheduler": ("/api/v1",),
    "smsgate": ("/api/3rdparty/v1",),
}
"""Where each dialect begins, unless DISPATCHER_DIALECT_PREFIXES moves it."""


def credential_fields(door: CredentialUse, made: NewKey) -> dict[str, str]:
    """Give a new credential in the words of its dialect."""
    words = CREDENTIALS[door].words
    parts = (made.name or "", made.secret)
    return dict(zip(words, parts[-len(words) :], strict=True))


def describe_use(kind: str, dialect: str) -> str:
    """Name the door that a credential opens."""
    for door, lock in CREDENTIALS.items():
        if (lock.kind, lock.dialect) == (kind, dialect):
            return door
    return f"{dialect} {kind}"
