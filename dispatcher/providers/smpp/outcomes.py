"""What an SMSC's answers mean: one outcome for each command_status, and one for all parts of a message."""

from collections.abc import Mapping, Sequence

from dispatcher.providers.contract import Accepted, Deferred, Outcome, Rejected, Status, Unknown
from dispatcher.providers.smpp.ids import IdNormalizer
from dispatcher.providers.smpp.options import OutcomeWord
from dispatcher.smpp.constants import CommandStatus, status_name

StatusMeaning = Status | OutcomeWord
"""A final code, or a word of the options."""

_C = CommandStatus

MEANINGS: Mapping[int, StatusMeaning] = {
    # It is about this message: no repetition helps.
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
    # It is about the moment: not taken, and later it may be.
    _C.ESME_RSYSERR: "deferred",
    _C.ESME_RMSGQFUL: "deferred",
    _C.ESME_RTHROTTLED: "deferred",
    _C.ESME_RX_T_APPN: "deferred",
    # It is about our account there or our options here: not taken, and for the operator to mend.
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
    # The SMSC itself does not know.
    _C.ESME_RUNKNOWNERR: "unknown",
}
"""All of SMPP v3.4, 5.1.3, but ESME_ROK."""

DEFAULT_MEANING: StatusMeaning = "deferred"
"""A vendor's own and reserved ones: not taken; we do not guess that it is for good."""


class ResponseReader:
    """Reads responses to submit_sm for one provider; `statuses` are the operator's own meanings."""

    def __init__(self, statuses: Mapping[int, StatusMeaning], spelling: IdNormalizer) -> None:
        self._meanings = {**MEANINGS, **statuses}
        self._spelling = spelling

    def outcome(self, status: int, message_id: str) -> Outcome:
        """Tell what a response to one part says."""
        if status == CommandStatus.ESME_ROK:
            return Accepted((self._spelling.of_answer(message_id),) if message_id else ())
        match self._meanings.get(status, DEFAULT_MEANING):
            case "deferred":
                return Deferred(status_name(status))
            case "unknown":
                return Unknown(status_name(status))
            case code:
                return Rejected(code, status_name(status))


def outcome_of_parts(parts: Sequence[Outcome]) -> Outcome:
    """
    Tell what the answers to all parts make of their message.

    One part that will never be taken spoils it: whatever of the rest is taken,
    the handset cannot show it. Where some were taken and the rest may be
    later, nobody can tell what the handset shows, and sending it again may
    show it twice: that is a doubt like any other.
    """
    if len(parts) == 1:
        return parts[0]
    for part in parts:
        if isinstance(part, Rejected):
            return part
    accepted = [part for part in parts if isinstance(part, Accepted)]
    if len(accepted) == len(parts):
        return Accepted(tuple([ref for part in accepted for ref in part.refs]))
    for part in parts:
        if isinstance(part, Unknown):
            return part
    other = next(part for part in parts if not isinstance(part, Accepted))
    if accepted and isinstance(other, Deferred):
        return Unknown(f"{len(accepted)} of {len(parts)} parts were accepted; of others {other.reason}")
    return other
