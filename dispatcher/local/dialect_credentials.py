"""The credentials and paths of the HTTP dialects, with the names that each dialect gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts.credentials import NewKey


class CredentialUse(StrEnum):
    """What a key is for. A dialect with two kinds of authentication has two uses."""

    EMESS = "emess"
    EMSGNOW = "emsgnow"
    FORMPOST = "formpost"
    FORMPOST_KEY = "formpost-key"
    SCHEDULER = "scheduler"
    SMSGATE = "smsgate"


@dataclass(frozen=True, slots=True)
class DialectCredential:
    """What a use requires. `field_names` are the dialect's: the secret's, or the name's and the secret's."""

    dialect: str
    kind: CredentialKind
    field_names: tuple[str, ...]


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
"""The paths of each dialect, unless DISPATCHER_DIALECT_PREFIXES moves it."""


def credential_fields(use: CredentialUse, created: NewKey) -> dict[str, str]:
    """Return a new credential by the field names of its dialect."""
    names = CREDENTIALS[use].field_names
    parts = (created.name or "", created.secret)
    return dict(zip(names, parts[-len(names) :], strict=True))


def describe_use(kind: str, dialect: str) -> str:
    """Return the use of a credential; "DIALECT KIND" if it is none of CredentialUse."""
    for use, credential in CREDENTIALS.items():
        if (credential.kind, credential.dialect) == (kind, dialect):
            return use
    return f"{dialect} {kind}"
