"""Outcomes of the responses of an SMSC."""

import re
from pathlib import Path

import pytest

from dispatcher.domain.delivery.provider import Accepted, Deferred, Outcome, Rejected, Unknown
from dispatcher.domain.messages.status import Status
from dispatcher.providers.smpp.ids import IdNormalizer
from dispatcher.providers.smpp.outcomes import MEANINGS, ResponseReader, StatusMeaning
from dispatcher.smpp.constants import CommandStatus

PAGE = (Path(__file__).parents[3] / "docs" / "providers" / "smpp.md").read_text(encoding="utf-8")
AS_IS = IdNormalizer("as-is")
JUDGE = ResponseReader({}, AS_IS)


def test_every_status_of_the_specification_has_a_meaning() -> None:
    assert set(MEANINGS) == set(CommandStatus) - {CommandStatus.ESME_ROK}


def test_the_page_says_what_each_status_means() -> None:
    documented: dict[str, str] = {}
    for names, meaning in re.findall(r"^\| (ESME_R\w+(?:, \w+)*) \| ([a-z]+(?:, \d+)?)", PAGE, re.MULTILINE):
        documented |= {
            name if name.startswith("ESME") else f"ESME_{name}": meaning for name in names.split(", ")
        }
    assert documented.pop("ESME_ROK") == "accepted"
    here = {CommandStatus(status).name: _in_words(meaning) for status, meaning in MEANINGS.items()}
    assert {**dict.fromkeys(here, "rejected, 38"), **documented} == here


def _in_words(meaning: StatusMeaning) -> str:
    return meaning if isinstance(meaning, str) else f"rejected, {meaning.value}"


@pytest.mark.parametrize("status", sorted(MEANINGS), ids=lambda status: status.name)
def test_every_refusal_has_its_name_and_is_no_acceptance(status: CommandStatus) -> None:
    outcome = JUDGE.outcome(status, "an id")
    assert isinstance(outcome, Rejected | Deferred | Unknown)
    assert outcome.reason == status.name
    if isinstance(outcome, Rejected):
        assert outcome.status.is_missed


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("ESME_RINVDSTADR", Rejected(Status.INVALID_NUMBER, "ESME_RINVDSTADR")),
        ("ESME_RINVSRCADR", Rejected(Status.FAILED, "ESME_RINVSRCADR")),
        ("ESME_RTHROTTLED", Deferred("ESME_RTHROTTLED")),
        ("ESME_RMSGQFUL", Deferred("ESME_RMSGQFUL")),
        ("ESME_RINVDSTTON", Deferred("ESME_RINVDSTTON")),
        ("ESME_RINVPASWD", Deferred("ESME_RINVPASWD", of_account=True)),
        ("ESME_RUNKNOWNERR", Unknown("ESME_RUNKNOWNERR")),
    ],
)
def test_a_status_means_what_the_page_says(status: str, outcome: Outcome) -> None:
    assert JUDGE.outcome(CommandStatus[status], "") == outcome


@pytest.mark.parametrize("status", [0x09, 0x200, 0x400, 0x4FF, 0xFFFFFFFF])
def test_a_vendor_specific_status_is_no_loss(status: int) -> None:
    assert JUDGE.outcome(status, "") == Deferred(f"0x{status:X}")


def test_an_operator_may_say_what_a_status_means() -> None:
    judge = ResponseReader({0x413: Status.BLOCKED, CommandStatus.ESME_RSYSERR: "unknown"}, AS_IS)
    assert judge.outcome(0x413, "") == Rejected(Status.BLOCKED, "0x413")
    assert judge.outcome(CommandStatus.ESME_RSYSERR, "") == Unknown("ESME_RSYSERR")


def test_an_acceptance_without_an_id_is_one() -> None:
    assert JUDGE.outcome(0, "") == Accepted(())


@pytest.mark.parametrize(
    ("ids", "answer", "receipt"),
    [
        ("as-is", "0012AbC", "12abc"),
        ("as-is", "0123456789", "123456789"),
        ("as-is", "0000", "0"),
        ("as-is", "a0eebc99-9C0b", "a0eebc99-9C0b"),
        ("hex-to-decimal", "1A2B", "6699"),
        ("hex-to-decimal", "00001a2b", "0000006699"),
        ("decimal-to-hex", "6699", "1A2B"),
        ("decimal-to-hex", "0006699", "00001a2b"),
        ("hex-to-decimal", "no-hex", "no-hex"),
    ],
)
def test_ids_of_responses_and_receipts_are_normalized_alike(ids: str, answer: str, receipt: str) -> None:
    spelling = IdNormalizer(ids)
    assert spelling.from_response(answer) == spelling.from_receipt(receipt)


def test_ids_that_differ_in_value_stay_different() -> None:
    assert AS_IS.from_response("aBcXyz") != AS_IS.from_receipt("AbCxYZ")
    assert AS_IS.from_response("10") != AS_IS.from_receipt("1")
