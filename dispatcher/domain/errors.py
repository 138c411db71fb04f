"""
Errors that a client can cause. A provider's answer is a value (`domain/delivery/provider.py`); a bug crashes.

    DispatchError
    ├── Invalid               a value that cannot be used; nothing was changed
    │   └── InvalidFields     one or more fields of a document are wrong
    │       ├── InvalidPlan   of a campaign
    │       └── InvalidRoutes of a table of routes
    ├── InvalidSubmission     one or more fields are wrong; nothing was stored
    ├── NotAuthenticated      no or wrong credential
    │   └── CredentialExpired an expired credential
    ├── Forbidden             a valid credential that may not do this
    ├── NotFound              no such thing in this account and dialect
    ├── NotEnoughCredit       the whole submission is refused
    ├── LimitExceeded         a limit is reached; retry later
    │   └── RateLimited       too many requests in a minute
    ├── Conflict
    │   ├── KeyReused         an Idempotency-Key with another body
    │   ├── StillRunning      the first request with this key has not ended
    │   ├── AlreadyExists     a name or id that is taken
    │   └── NotConfirmed      a change with effects that the caller must confirm
    ├── BadReceipt            a receipt that cannot be read
    │   └── BadSignature      a receipt that its provider did not sign
    ├── Unavailable           Postgres or a provider cannot be reached; retry
    └── Misconfigured         a setting is missing or wrong; raised at start
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class FaultKind(StrEnum):
    """What can be wrong with a field of a submission."""

    EMPTY = "is empty"
    TOO_LONG = "is too long"
    TOO_MANY = "has too many entries"
    NOT_TEXT = "cannot be encoded"
    UNFILLED = "has braces that nothing fills"
    NOT_A_NUMBER = "is not a phone number"
    UNKNOWN_SENDER = "is not a sender of this account"
    WINDOW_OVER = "leaves no time to send"
    TOO_FAR = "is too far ahead"
    NOT_MOBILE = "is not a mobile phone number"
    REPEATED = "is named twice"
    UNKNOWN_TEMPLATE = "is not a template of this account"
    MISSING_VARIABLE = "is missing"
    BAD_URL = "cannot be called"


_LONGEST_ECHO = 300  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault of a submission: `field` is named as in Submission, `value` is what was submitted.

    `advice` is a clause about the value: what is wrong with it, what there is
    instead, or what to do.
    """

    field: str
    kind: FaultKind
    value: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.field} {self.kind.value}: {self.advised_value}"

    @property
    def advised_value(self) -> str:
        """The value, cut if it is long, with the advice in brackets if there is any."""
        value = self.value if len(self.value) <= _LONGEST_ECHO else f"{self.value[:_LONGEST_ECHO]}…"
        return f"{value} ({self.advice})" if self.advice else value


class DispatchError(Exception):
    """The root of the errors that a client can cause; the text is for that client."""


class Invalid(DispatchError):
    """A value that cannot be used; the text says which would be valid. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a document: the field, and a sentence about it."""

    field: str
    sentence: str


class InvalidFields(Invalid):
    """Fields of a document are wrong; `faults` lists all of them."""

    def __init__(self, faults: Sequence[FieldError]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.field}: {fault.sentence}" for fault in faults))


class InvalidPlan(InvalidFields):
    """A campaign's plan is wrong; its fields are named as in CampaignPlan."""


class InvalidRoutes(InvalidFields):
    """A table of routes is wrong; its rules are counted from 1."""


class InvalidSubmission(DispatchError):
    """Fields of a submission are wrong; `faults` lists all of them. Nothing was stored."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, faults)))


class NotAuthenticated(DispatchError):
    """No credential, or one that is unknown, revoked or expired."""


class CredentialExpired(NotAuthenticated):
    """A credential that has expired."""


class Forbidden(DispatchError):
    """A valid credential that may not do this."""


class NotFound(DispatchError):
    """The requested object does not exist in this account and dialect."""


class NotEnoughCredit(DispatchError):
    """The balance does not cover the whole submission; nothing was stored."""


class LimitExceeded(DispatchError):
    """A limit refuses this request; nothing was stored. `retry_after` is how long to wait before a retry."""

    def __init__(self, text: str, *, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__(text)


class RateLimited(LimitExceeded):
    """Too many requests in a minute."""


class Conflict(DispatchError):
    """The request conflicts with the stored state."""


class KeyReused(Conflict):
    """An Idempotency-Key was used again with another body."""


class StillRunning(Conflict):
    """The first request with this Idempotency-Key is still running."""


class AlreadyExists(Conflict):
    """A name or id that is taken."""


class NotConfirmed(Conflict):
    """A change whose effects must be confirmed first; the text says which. Nothing was changed."""


class BadReceipt(DispatchError):
    """A receipt that cannot be read."""


class BadSignature(BadReceipt):
    """A receipt whose signature is missing or wrong."""


class Unavailable(DispatchError):
    """Postgres or a provider cannot be reached; the same request may succeed later."""


class Misconfigured(DispatchError):
    """A setting is missing or wrong."""
