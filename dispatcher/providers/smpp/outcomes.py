"""Outcomes of submit_sm responses: one for each command_status."""

from collections.abc import Mapping

from dispatcher.providers.contract import Accepted, Deferred, Outcome, Rejected, Status, Unknown
from dispatcher.providers.smpp.ids import IdNormalizer
from dispatcher.providers.smpp.options import OutcomeWord
from dispatcher.smpp.constants import CommandStatus, status_name

StatusMeaning = Status | OutcomeWord
"""A final status, or a word of the options."""

_C = CommandStatus

MEANINGS: Mapping[int, StatusMeaning] = {
    # About this message: no retry helps.
    _C.ESME_RINVMSGLEN: Status.FAILED,
    _C.ESME_RINVSRCADR: Status.FAILED,
    _C.ESME_RINVDSTADR: Status.INVALID_NUMBER,
    _C.ESME_RINVMSGID: Status.FAILED,
    _C.ESME_RCANCELFAIL: Status.FAILED,
    _C.ESME_RREPLACEFAIL: Status.FAILED,
    _C.ESME_RINVNUMDESTS: Status.FAILED,
    _C.ESME_RINVDLNAME: Status.FAILED,
    _C.ESME_RINVDESTFLAG: Status.FAILED,
    _C.ESME_RINVSUBREP: Status.FAILED,
    _C.ESME_RINVESMCLASS: Status.FAILED,
    _C.ESME_RCNTSUBDL: Status.FAILED,
    _C.ESME_RSUBMITFAIL: Status.FAILED,
    _C.ESME_RINVREPFLAG: Status.FAILED,
    _C.ESME_RINVNUMMSGS: Status.FAILED,
    _C.ESME_RINVSCHED: Status.FAILED,
    _C.ESME_RINVDFTMSGID: Status.FAILED,
    _C.ESME_RX_P_APPN: Status.FAILED,
    _C.ESME_RX_R_APPN: Status.FAILED,
    _C.ESME_RQUERYFAIL: Status.FAILED,
    _C.ESME_RINVOPTPARSTREAM: Status.FAILED,
    _C.ESME_ROPTPARNOTALLWD: Status.FAILED,
    _C.ESME_RINVPARLEN: Status.FAILED,
    _C.ESME_RMISSINGOPTPARAM: Status.FAILED,
    _C.ESME_RINVOPTPARAMVAL: Status.FAILED,
    _C.ESME_RDELIVERYFAILURE: Status.FAILED,
    # Temporary: a later attempt may be accepted.
    _C.ESME_RSYSERR: "deferred",
    _C.ESME_RMSGQFUL: "deferred",
    _C.ESME_RTHROTTLED: "deferred",
    _C.ESME_RX_T_APPN: "deferred",
    # About our account or our options: an operator must correct them.
    _C.ESME_RINVCMDLEN: "deferred",
    _C.ESME_RINVCMDID: "deferred",
    _C.ESME_RINVBNDSTS: "deferred",
    _C.ESME_RALYBND: "deferred",
    _C.ESME_RBINDFAIL: "deferred",
    _C.ESME_RINVPASWD: "deferred",
    _C.ESME_RINVSYSID: "deferred",
    _C.ESME_RINVSERTYP: "deferred",
    _C.ESME_RINVSYSTYP: "deferred",
    _C.ESME_RINVPRTFLG: "deferred",
    _C.ESME_RINVREGDLVFLG: "deferred",
    _C.ESME_RINVSRCTON: "deferred",
    _C.ESME_RINVSRCNPI: "deferred",
    _C.ESME_RINVEXPIRY: "deferred",
    _C.ESME_RINVDSTTON: "deferred",
    _C.ESME_RINVDSTNPI: "deferred",
    # The SMSC itself does not know whether it accepted the message.
    _C.ESME_RUNKNOWNERR: "unknown",
}
"""The meaning of each status of SMPP v3.4, 5.1.3, but ESME_ROK."""

_OF_ACCOUNT = frozenset(
    {_C.ESME_RBINDFAIL, _C.ESME_RINVPASWD, _C.ESME_RINVSYSID, _C.ESME_RINVSERTYP, _C.ESME_RINVSYSTYP}
)

DEFAULT_MEANING: StatusMeaning = "deferred"
"""The meaning of reserved and vendor-specific statuses: not accepted, and not assumed to be permanent."""


class ResponseReader:
    """Reads the submit_sm responses of one provider; `statuses` overrides meanings."""

    def __init__(self, statuses: Mapping[int, StatusMeaning], ids: IdNormalizer) -> None:
        self._meanings = {**MEANINGS, **statuses}
        self._ids = ids

    def outcome(self, status: int, message_id: str) -> Outcome:
        """Return the outcome of one part."""
        if status == CommandStatus.ESME_ROK:
            return Accepted((self._ids.from_response(message_id),) if message_id else ())
        match self._meanings.get(status, DEFAULT_MEANING):
            case "deferred":
                return Deferred(status_name(status), of_account=status in _OF_ACCOUNT)
            case "unknown":
                return Unknown(status_name(status))
            case code:
                return Rejected(code, status_name(status))
